// The chat route over the whole stack, as a client sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_server.h"

namespace rapport::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Json event_json(const std::string& event) {
  return Json::parse(event, nullptr, /*allow_exceptions=*/false);
}

std::string text_of(const std::vector<std::string>& events) {
  std::string text;
  for (const std::string& event : events) {
    const Json json = event_json(event);
    if (!json.is_object() || json["choices"].empty()) continue;
    text += json["choices"][0]["delta"].value("content", "");
  }
  return text;
}

TEST(ChatApi, AnswersInOnePiece) {
  TestServer server({"Hello there!"});
  const Received answer = server.chat("sam", "Hi");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(answer.headers.contains("content-length"));
  EXPECT_THAT(answer.header("x-rapport-conversation"), HasSubstr("conv_"));
  EXPECT_EQ(answer.header("x-rapport-degree"), "3");
  const Json json = answer.json();
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["choices"][0]["message"]["content"], "Hello there!");
  EXPECT_EQ(json["system_fingerprint"], "scripted-1");
  EXPECT_GT(json["usage"]["prompt_tokens"], 0);
}

TEST(ChatApi, StreamsEventsThatEndWithDone) {
  TestServer server({"Hello there, Sam!"});
  const Received answer =
      server.chat("sam", "Hi", {{"stream", true}, {"stream_options", {{"include_usage", true}}}});
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-type"), "text/event-stream");
  EXPECT_EQ(answer.header("transfer-encoding"), "chunked");
  EXPECT_THAT(answer.header("x-rapport-conversation"), HasSubstr("conv_"));
  EXPECT_TRUE(answer.whole);
  const auto events = answer.events();
  EXPECT_EQ(text_of(events), "Hello there, Sam!");
  EXPECT_EQ(event_json(events.front())["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(event_json(events.front())["model"], "scripted") << "the default's own name";
  EXPECT_EQ(event_json(events[events.size() - 3])["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(event_json(events[events.size() - 2])["choices"], Json::array());
  EXPECT_EQ(events.back(), "[DONE]");
}

TEST(ChatApi, StreamsToHttp10UntilTheConnectionCloses) {
  TestServer server({"Hello there!"});
  Json body = say("Hi");
  body["stream"] = true;
  const std::string text = body.dump();
  HttpConnection connection(server.port());
  connection.send("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: " +
                  std::to_string(text.size()) + "\r\n\r\n" + text);
  const Received answer = connection.read_response();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("transfer-encoding"), "");
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_EQ(text_of(answer.events()), "Hello there!");
}

TEST(ChatApi, GivesEachChoiceItsIndex) {
  TestServer server({"one", "two", "three"});
  const Json json = server.chat("sam", "Hi", {{"n", 3}}).json();
  ASSERT_EQ(json["choices"].size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(json["choices"][static_cast<std::size_t>(i)]["index"], i);
}

TEST(ChatApi, WhatSamSaidChangesSamsPromptAndNobodyElses) {
  TestServer server([](const language::GenerateRequest& request) -> ScriptedReply {
    const bool knows = request.messages.front().content().find("vegetarian") != std::string::npos;
    return {.text = knows ? "Mushroom risotto." : "Roast chicken."};
  });
  EXPECT_EQ(server.chat("sam", "I'm vegetarian, by the way.").status, 200);
  const Received sams = server.chat("sam", "What should I cook tonight?");
  const Received kims = server.chat("kim", "What should I cook tonight?");
  EXPECT_EQ(sams.json()["choices"][0]["message"]["content"], "Mushroom risotto.");
  EXPECT_EQ(kims.json()["choices"][0]["message"]["content"], "Roast chicken.");

  const Json why =
      server.get("/v1/responses/" + sams.json()["id"].get<std::string>() + "/explanation").json();
  EXPECT_THAT(why["used"]["facts"][0]["text"].get<std::string>(), HasSubstr("vegetarian"));
}

TEST(ChatApi, AtDegreeZeroTheModelGetsTheApplicationsOwnMessages) {
  TestServer server({"ok"});
  server.chat("sam", "I'm vegetarian, by the way.");
  const Json messages = Json::parse(
      R"([{"role":"system","content":"Be brief."},{"content":[{"type":"text","text":"Hi"}],"role":"user","name":"x"}])");
  const Received answer =
      server.post("/v1/chat/completions", {{"messages", messages}, {"user", "sam"}},
                  {{"X-Rapport-Degree", "0"}});
  EXPECT_EQ(answer.header("x-rapport-degree"), "0");
  Json sent = Json::array();
  const auto request = server.model->requests().back();
  for (const auto& message : request.messages) sent.push_back(message.json);
  EXPECT_EQ(sent.dump(), messages.dump());
}

TEST(ChatApi, TheUpstreamNeverLearnsTheUsersName) {
  TestServer server({"ok"});
  const Json more = {{"metadata", {{"user_id", "sam@example.com"}}},
                     {"safety_identifier", "sam-7"}};
  server.chat("sam@example.com", "Hi", more);
  const auto request = server.model->requests().back();
  EXPECT_THAT(request.end_user, Not(HasSubstr("sam")));
  EXPECT_FALSE(request.end_user.empty());
  EXPECT_TRUE(request.passthrough.empty()) << request.passthrough;
}

TEST(ChatApi, PassesLogprobsAndToolCalls) {
  TestServer server([](const language::GenerateRequest&) -> ScriptedReply {
    return {
        .text = "a",
        .tool_calls = Json::parse(
            R"([{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}])"),
        .logprobs = {{.token = "a", .logprob = -1, .top = {{"a", -1}}}}};
  });
  const Json more = {
      {"logprobs", true},
      {"top_logprobs", 1},
      {"tools", Json::parse(R"([{"type": "function", "function": {"name": "f"}}])")}};
  const Json whole = server.chat("sam", "Hi", more).json()["choices"][0];
  EXPECT_EQ(whole["logprobs"]["content"][0]["bytes"], Json::parse("[97]"));
  EXPECT_EQ(whole["message"]["tool_calls"][0]["id"], "1");
  EXPECT_EQ(whole["finish_reason"], "tool_calls");

  Json streaming = more;
  streaming["stream"] = true;
  const auto events = server.chat("sam", "Hi", streaming).events();
  EXPECT_EQ(event_json(events[1])["choices"][0]["logprobs"]["content"][0]["token"], "a");
  EXPECT_EQ(event_json(events[2])["choices"][0]["delta"]["tool_calls"][0]["index"], 0);
}

TEST(ChatApi, RefusalsOfTheModelKeepTheirStatus) {
  TestServer server({"ok"});
  struct Case {
    Error error;
    int status;
    const char* code;
  };
  const Case cases[] = {
      {{.code = ErrorCode::kNotFound,
        .message = "no such model",
        .param = "model",
        .reason = "model_not_found"},
       404,
       "model_not_found"},
      {{.code = ErrorCode::kUnsupported, .message = "cannot do images", .param = "messages[0]"},
       400,
       "unsupported"},
      {{.code = ErrorCode::kInvalidArgument,
        .message = "too long",
        .reason = "context_length_exceeded"},
       400,
       "context_length_exceeded"},
      {{.code = ErrorCode::kUpstream, .message = "bad gateway"}, 502, "upstream"},
      {{.code = ErrorCode::kUnavailable, .message = "busy", .retry_after = std::chrono::seconds(3)},
       503,
       "unavailable"},
      {{.code = ErrorCode::kTimeout, .message = "slow"}, 504, "timeout"},
      {{.code = ErrorCode::kRateLimited, .message = "slow down"}, 429, "rate_limited"},
  };
  for (const Case& c : cases) {
    for (const bool stream : {false, true}) {
      server.model->refuse(c.error);
      const Received answer = server.chat("sam", "Hi", {{"stream", stream}});
      EXPECT_EQ(answer.status, c.status) << c.error.message;
      EXPECT_EQ(answer.error("code"), c.code);
      EXPECT_EQ(answer.error("message"), c.error.message);
      EXPECT_EQ(answer.header("retry-after"), c.error.retry_after ? "3" : "");
    }
  }
}

TEST(ChatApi, AFailureBeforeTheFirstWordIsAStatusAndAfterItAnEvent) {
  std::vector<std::string> pieces;
  TestServer server([&](const language::GenerateRequest&) -> ScriptedReply {
    return {.pieces = pieces, .error = Error{.code = ErrorCode::kUpstream, .message = "it broke"}};
  });
  EXPECT_EQ(server.chat("sam", "Hi", {{"stream", true}}).status, 502);

  pieces = {"Hello"};
  server.model->hold_after(1);
  Json body = say("Hi");
  body["stream"] = true;
  HttpConnection connection(server.port());
  connection.send(request_bytes("POST", "/v1/chat/completions", body.dump()));
  EXPECT_THAT(connection.read_until("\"Hello\""), HasSubstr("200 OK"));
  server.model->release();
  const std::string rest = connection.read_until("0\r\n\r\n");
  EXPECT_THAT(rest, HasSubstr("data: {\"error\":{\"message\":\"it broke\""));
  EXPECT_THAT(rest, Not(HasSubstr("[DONE]")));
}

TEST(ChatApi, WhatFailsInsideIsNotTold) {
  TestServer server([&](const language::GenerateRequest&) -> ScriptedReply {
    return {.error = Error{.code = ErrorCode::kIo, .message = "/var/lib/secret.db: no space"}};
  });
  const Received answer = server.chat("sam", "Hi");
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, Not(HasSubstr("secret.db")));
}

TEST(ChatApi, AResentHistoryStaysInItsConversation) {
  TestServer server({"Hello!", "Fine."});
  const Received first = server.chat("sam", "Hi");
  Json messages = say("Hi")["messages"];
  messages.push_back(first.json()["choices"][0]["message"]);
  messages.push_back({{"role", "user"}, {"content", "How are you?"}});
  const Received second =
      server.post("/v1/chat/completions", {{"messages", messages}, {"user", "sam"}});
  EXPECT_EQ(second.header("x-rapport-conversation"), first.header("x-rapport-conversation"));
  const Json log =
      server.get("/v1/conversations/" + first.header("x-rapport-conversation") + "?user=sam")
          .json();
  EXPECT_EQ(log["turns"], 4);
  EXPECT_EQ(log["data"][3]["message"]["content"], "Fine.");
}

}  // namespace
}  // namespace rapport::testing
