#include <gtest/gtest.h>

#include "rapport/server/openai_chat.h"

namespace rapport::server {
namespace {

engine::Answer answer() {
  engine::Answer answer;
  answer.id = "chatcmpl-1";
  answer.created = 1'700'000'000'123;
  answer.model = "smol";
  answer.usage = {.prompt_tokens = 5, .completion_tokens = 2, .cached_tokens = 3};
  language::Completion completion;
  completion.text = "Hi \"Sam\"";
  completion.fingerprint = "fp";
  answer.choices.push_back(completion);
  return answer;
}

language::Delta text(std::string words) {
  language::Delta delta;
  delta.text = std::move(words);
  return delta;
}

TEST(ChatCompletion, IsOpenAisObject) {
  EXPECT_EQ(chat_completion(answer(), false), Json::parse(R"({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "smol",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi \"Sam\"", "refusal": null},
                 "logprobs": null, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
              "prompt_tokens_details": {"cached_tokens": 3}},
    "system_fingerprint": "fp"})"));
}

TEST(ChatCompletion, HasNoContentBesideToolCallsAlone) {
  engine::Answer tools = answer();
  tools.choices[0].text = "";
  tools.choices[0].tool_calls = Json::parse(
      R"([{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}])");
  tools.choices[0].finish_reason = language::FinishReason::kToolCalls;
  const Json choice = chat_completion(tools, false)["choices"][0];
  EXPECT_TRUE(choice["message"]["content"].is_null());
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["name"], "f");
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
}

TEST(Logprobs, CarryTheBytesOfHalfCharacters) {
  const Json logprobs = to_json(std::vector<language::TokenLogprob>{
      {.token = "\xf0\x9f", .logprob = -0.5f, .top = {{"a", -0.5f}, {"b", -2.0f}}}});
  const Json& entry = logprobs["content"][0];
  EXPECT_EQ(entry["bytes"], Json::parse("[240, 159]"));
  EXPECT_EQ(entry["token"], "\xef\xbf\xbd\xef\xbf\xbd") << "text must be text";
  EXPECT_EQ(entry["top_logprobs"].size(), 2u);
  EXPECT_EQ(entry["top_logprobs"][1]["token"], "b");
}

std::vector<Json> chunks(const std::string& events) {
  std::vector<Json> chunks;
  for (std::size_t at = 0; (at = events.find("data: ", at)) != std::string::npos; ++at) {
    const std::string data = events.substr(at + 6, events.find("\n\n", at) - at - 6);
    chunks.push_back(data == "[DONE]" ? Json("[DONE]") : Json::parse(data));
  }
  return chunks;
}

TEST(ChatStream, SaysTheRoleFirstTheReasonLastAndThenDone) {
  ChatStream stream("chatcmpl-1", "smol", 1'700'000'000, false, false);
  std::string events = stream.delta(0, text("Hi \""));
  events += stream.delta(0, text("Sam\n"));
  events += stream.done(answer());
  const auto all = chunks(events);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0], Json::parse(R"({"id": "chatcmpl-1", "object": "chat.completion.chunk",
    "created": 1700000000, "model": "smol", "choices": [{"index": 0,
    "delta": {"role": "assistant", "content": "", "refusal": null}, "logprobs": null, "finish_reason": null}]})"));
  EXPECT_EQ(all[1]["choices"][0]["delta"], Json({{"content", "Hi \""}}));
  EXPECT_EQ(all[2]["choices"][0]["delta"], Json({{"content", "Sam\n"}}));
  EXPECT_EQ(all[3]["choices"][0]["delta"], Json::object());
  EXPECT_EQ(all[3]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(all[4], "[DONE]");
}

TEST(ChatStream, PutsTheUsageInAChunkWithoutChoices) {
  ChatStream stream("chatcmpl-1", "smol", 1, false, true);
  std::string events = stream.delta(0, text("Hi"));
  events += stream.done(answer());
  const auto all = chunks(events);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_TRUE(all[1].contains("usage") && all[1]["usage"].is_null());
  EXPECT_EQ(all[3]["choices"], Json::array());
  EXPECT_EQ(all[3]["usage"]["total_tokens"], 7);
  EXPECT_EQ(all[4], "[DONE]");
}

TEST(ChatStream, KeepsChoicesApart) {
  ChatStream stream("chatcmpl-1", "smol", 1, false, false);
  engine::Answer two = answer();
  two.choices.push_back(two.choices[0]);
  two.choices[1].finish_reason = language::FinishReason::kLength;
  std::string events = stream.delta(1, text("b"));
  events += stream.done(two);
  const auto all = chunks(events);
  ASSERT_EQ(all.size(), 6u) << "a choice without words has a role and a reason too";
  EXPECT_EQ(all[0]["choices"][0]["index"], 1);
  EXPECT_EQ(all[2]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(all[2]["choices"][0]["index"], 0);
  EXPECT_EQ(all[4]["choices"][0]["finish_reason"], "length");
}

TEST(ChatStream, StreamsToolCallsAndLogprobs) {
  ChatStream stream("chatcmpl-1", "smol", 1, true, false);
  const Json calls = Json::parse(R"([{"index": 0, "id": "1", "function": {"arguments": "{"}}])");
  language::Delta with_logprobs = text("a");
  with_logprobs.logprobs.push_back({.token = "a", .logprob = -1, .top = {}});
  std::string events = stream.delta(0, {.text = "", .logprobs = {}, .tool_calls = calls});
  events += stream.delta(0, with_logprobs);
  const auto all = chunks(events);
  EXPECT_EQ(all[1]["choices"][0]["delta"], Json({{"tool_calls", calls}}));
  EXPECT_EQ(all[2]["choices"][0]["logprobs"]["content"][0]["token"], "a");
  EXPECT_EQ(stream.delta(0, {}), "") << "nothing to say is no event";
}

TEST(ChatStream, AnErrorOnTheWayIsAnEventTheSdksRaise) {
  const auto all = chunks(ChatStream::error({.code = ErrorCode::kUpstream, .message = "gone"}));
  EXPECT_EQ(all.at(0)["error"]["message"], "gone");
  EXPECT_EQ(all.at(0)["error"]["code"], "upstream");
}

}  // namespace
}  // namespace rapport::server
