// What a remote model is sent, and what is made of its answer.
#include "rapport/language/remote_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote_model_fixture.h"

namespace rapport::language {
namespace {

using rapport::testing::Gate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class RemoteModelTest : public RemoteModelFixture {};

// What goes up.

TEST_F(RemoteModelTest, AMinimalRequestSaysNothingTheApplicationDidNot) {
  const LoopbackServer server(stream(kHello));
  ASSERT_TRUE(generate_and_wait(*model_for(server), ask()));
  const LoopbackRequest sent = server.requests().at(0);
  EXPECT_EQ(sent.method, "POST");
  EXPECT_EQ(sent.target, "/v1/chat/completions");
  EXPECT_EQ(sent.header("authorization"), "Bearer sk-test-0123456789");
  EXPECT_EQ(sent.header("content-type"), "application/json");
  EXPECT_EQ(sent.body, R"({"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true,)"
                       R"("stream_options":{"include_usage":true}})");
}

TEST_F(RemoteModelTest, SendsKnownFieldsAndPassesOthersThroughInTheirOrder) {
  GenerateRequest request = ask();
  request.model = "other";
  request.messages[0].json = Json::parse(
      R"({"name":"sam","content":[{"type":"text","text":"é"},{"type":"image_url","image_url":{}}],)"
      R"("role":"user"})");
  request.sampling = {.temperature = 0,
                      .top_p = 0.5,
                      .frequency_penalty = 1,
                      .presence_penalty = -1,
                      .seed = 7,
                      .logit_bias = {{12, -100}}};
  request.max_tokens = 64;
  request.stop = {"\n"};
  request.logprobs = true;
  request.top_logprobs = 2;
  request.output.kind = OutputKind::kJsonObject;
  request.output.raw = {{"type", "json_object"}};
  request.tools = Json::parse(R"([{"type":"function","function":{"name":"f"}}])");
  request.tool_choice = "auto";
  request.end_user = "4f2a";
  request.passthrough = Json::parse(R"({"reasoning_effort":"low","a":{"z":1,"b":2}})");
  const LoopbackServer server(stream(kHello));
  ASSERT_TRUE(generate_and_wait(*model_for(server), request));
  EXPECT_EQ(
      server.requests().at(0).body,
      R"({"model":"other","messages":[{"name":"sam","content":[{"type":"text","text":"é"},)"
      R"({"type":"image_url","image_url":{}}],"role":"user"}],"stream":true,)"
      R"("stream_options":{"include_usage":true},"temperature":0.0,"top_p":0.5,)"
      R"("frequency_penalty":1.0,"presence_penalty":-1.0,"seed":7,"logit_bias":{"12":-100.0},)"
      R"("max_tokens":64,"stop":["\n"],"logprobs":true,"top_logprobs":2,)"
      R"("response_format":{"type":"json_object"},)"
      R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto",)"
      R"("user":"4f2a","reasoning_effort":"low","a":{"z":1,"b":2}})");
}

TEST_F(RemoteModelTest, TheUpstreamLearnsNoIdentifierAndCannotBeToldToAnswerOtherwise) {
  GenerateRequest request = ask();
  request.passthrough = Json::parse(
      R"({"user":"sam@example.org","safety_identifier":"sam","metadata":{"user_id":"sam"},)"
      R"("stream":false,"messages":[],"model":"x"})");
  const LoopbackServer server(stream(kHello));
  ASSERT_TRUE(generate_and_wait(*model_for(server), request));
  EXPECT_EQ(server.requests().at(0).body,
            R"({"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true,)"
            R"("stream_options":{"include_usage":true}})");
}

TEST_F(RemoteModelTest, OptionsNameTheFieldsAnUpstreamKnows) {
  GenerateRequest request = ask();
  request.model = "default";
  request.max_tokens = 5;
  request.output = {.kind = OutputKind::kJsonSchema, .schema = {{"type", "object"}}, .raw = {}};
  const LoopbackServer server(stream(kHello));
  const auto model = model_for(server, [](RemoteOptions& options) {
    options.base_url += "//";
    options.api_key = "";
    options.max_tokens_field = "max_completion_tokens";
    options.stream_usage = false;
  });
  ASSERT_TRUE(generate_and_wait(*model, request));
  const LoopbackRequest sent = server.requests().at(0);
  EXPECT_EQ(sent.target, "/v1/chat/completions");
  EXPECT_EQ(sent.header("authorization"), "");
  EXPECT_EQ(sent.body,
            R"({"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true,)"
            R"("max_completion_tokens":5,"response_format":{"type":"json_schema","json_schema":)"
            R"({"name":"answer","strict":true,"schema":{"type":"object"}}}})");
}

// What comes down.

TEST_F(RemoteModelTest, GivesDeltasAsTheyComeAndThenTheWhole) {
  Gate gate;
  const LoopbackServer server([&](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    peer.send_chunk(": keep-alive\n\n" + chunk(R"({"role":"assistant"})") + text_chunk("Hel"));
    if (!peer.wait(gate)) return;  // the rest only once the first delta has arrived
    peer.send_chunk(text_chunk("lo") + kStop + kUsage + kDone);
    peer.end_stream();
  });
  std::vector<std::string> deltas;
  const auto answer = generate_and_wait(*model_for(server), ask(), [&](const Delta& delta) {
    deltas.push_back(delta.text);
    gate.open();
  });
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(deltas, ElementsAre("Hel", "lo"));
  EXPECT_EQ(answer->text, "Hello");
  EXPECT_EQ(answer->finish_reason, FinishReason::kStop);
  EXPECT_EQ(answer->usage.prompt_tokens, 9);
  EXPECT_EQ(answer->usage.completion_tokens, 2);
  EXPECT_EQ(answer->usage.cached_tokens, 4);
  EXPECT_EQ(answer->model, "m-2024");
  EXPECT_EQ(answer->fingerprint, "fp_1");
  EXPECT_TRUE(answer->tool_calls.is_null());
}

TEST_F(RemoteModelTest, PiecesMaySplitACharacter) {
  const std::string body = text_chunk("né") + text_chunk("🙂中") + kStop + kDone;
  std::vector<std::string> deltas;
  const LoopbackServer server([&](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    for (const char byte : body) peer.send_chunk({&byte, 1});
    peer.end_stream();
  });
  const auto answer = generate_and_wait(*model_for(server), ask(),
                                        [&](const Delta& delta) { deltas.push_back(delta.text); });
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(deltas, ElementsAre("né", "🙂中"));
}

TEST_F(RemoteModelTest, PutsToolCallsTogether) {
  const std::string body =
      chunk(R"({"content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function",)"
            R"("function":{"name":"weather","arguments":""}}]})") +
      chunk(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]})") +
      chunk(R"({"tool_calls":[{"index":1,"id":"call_2","type":"function",)"
            R"("function":{"name":"time","arguments":"{}"}},)"
            R"({"index":0,"function":{"arguments":"\"Oslo\"}"}}]})") +
      chunk("{}", "\"tool_calls\"") + kDone;
  std::vector<Json> deltas;
  const LoopbackServer server(stream(body));
  const auto answer = generate_and_wait(
      *model_for(server), ask(), [&](const Delta& delta) { deltas.push_back(delta.tool_calls); });
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->finish_reason, FinishReason::kToolCalls);
  EXPECT_EQ(
      answer->tool_calls,
      Json::parse(
          R"([{"id":"call_1","type":"function","function":{"name":"weather",)"
          R"("arguments":"{\"city\":\"Oslo\"}"}},)"
          R"({"id":"call_2","type":"function","function":{"name":"time","arguments":"{}"}}])"));
  ASSERT_EQ(deltas.size(), 3u);
  EXPECT_EQ(deltas[1], Json::parse(R"([{"index":0,"function":{"arguments":"{\"city\":"}}])"));
}

TEST_F(RemoteModelTest, ReadsLogprobsAndTheBytesOfHalfACharacter) {
  const std::string body =
      event(R"({"choices":[{"index":0,"delta":{"content":"é"},"logprobs":{"content":[)"
            R"({"token":"\\xc3","logprob":-0.5,"bytes":[195],"top_logprobs":[)"
            R"({"token":"e","logprob":-1.5,"bytes":null}]},)"
            R"({"token":"\\xa9","logprob":-0.25,"bytes":[169],"top_logprobs":[]}]}}]})") +
      kStop + kDone;
  const auto answer = answer_of(stream(body));
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_EQ(answer->logprobs.size(), 2u);
  EXPECT_EQ(answer->logprobs[0].token, "\xc3");
  EXPECT_EQ(answer->logprobs[0].logprob, -0.5f);
  ASSERT_EQ(answer->logprobs[0].top.size(), 1u);
  EXPECT_EQ(answer->logprobs[0].top[0].token, "e");
  EXPECT_EQ(answer->logprobs[0].top[0].logprob, -1.5f);
  EXPECT_EQ(answer->logprobs[1].token, "\xa9");
}

TEST_F(RemoteModelTest, AnUpstreamThatDoesNotStreamWorksToo) {
  const std::string body =
      R"( {"id":"c","model":"m-1","choices":[{"index":0,"finish_reason":"length","message":)"
      R"({"role":"assistant","content":"Hello","tool_calls":[{"id":"a","type":"function",)"
      R"("function":{"name":"f","arguments":"{}"}}]}}],"usage":{"prompt_tokens":3,)"
      R"("completion_tokens":1}})";
  std::vector<Delta> deltas;
  const LoopbackServer server(respond(200, body));
  const auto answer = generate_and_wait(*model_for(server), ask(),
                                        [&](const Delta& delta) { deltas.push_back(delta); });
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->text, "Hello");
  EXPECT_EQ(answer->finish_reason, FinishReason::kLength);
  EXPECT_EQ(answer->usage.prompt_tokens, 3);
  EXPECT_EQ(answer->tool_calls.at(0)["id"], "a");
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].text, "Hello");
  EXPECT_EQ(deltas[0].tool_calls.at(0)["index"], 0);
}

TEST_F(RemoteModelTest, TakesWhatServersMakeOfTheProtocol) {
  struct Case {
    const char* behaviour;
    std::string body;
    const char* text;
    FinishReason reason;
  };
  const Case cases[] = {
      {"no [DONE]", text_chunk("a") + kStop, "a", FinishReason::kStop},
      {"no finish reason but [DONE]", text_chunk("a") + kDone, "a", FinishReason::kStop},
      {"nothing after the last line", text_chunk("a") + kStop + "data: [DONE]\n", "a",
       FinishReason::kStop},
      {"carriage returns", "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n" + kDone,
       "a", FinishReason::kStop},
      {"an own reason", text_chunk("a") + chunk("{}", "\"eos\"") + kDone, "a", FinishReason::kStop},
      {"a filter", text_chunk("a") + chunk("{}", "\"content_filter\"") + kDone, "a",
       FinishReason::kContentFilter},
      {"usage in the last choice's chunk and nulls elsewhere",
       event(R"({"choices":[{"delta":{"content":"a","tool_calls":null},"logprobs":null}],)"
             R"("usage":null,"error":null})") +
           kStop + kDone,
       "a", FinishReason::kStop},
      {"a second choice nobody asked for",
       text_chunk("a") + event(R"({"choices":[{"index":1,"delta":{"content":"b"}}]})") + kDone, "a",
       FinishReason::kStop},
      {"no text at all", kStop + kDone, "", FinishReason::kStop},
  };
  for (const Case& c : cases) {
    const auto answer = answer_of(stream(c.body));
    ASSERT_TRUE(answer) << c.behaviour << ": " << answer.error().message;
    EXPECT_EQ(answer->text, c.text) << c.behaviour;
    EXPECT_EQ(answer->finish_reason, c.reason) << c.behaviour;
  }
}

TEST_F(RemoteModelTest, MissingUsageIsZeroNotAGuess) {
  const auto answer = answer_of(stream(text_chunk("a") + kStop + kDone));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->usage.prompt_tokens, 0);
  EXPECT_EQ(answer->usage.completion_tokens, 0);
}

TEST_F(RemoteModelTest, AWordThatTheStreamIsDoneEndsItThoughTheConnectionStays) {
  Gate gate;
  const LoopbackServer server([&](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    peer.send_chunk(kHello);
    peer.wait(gate);
    peer.end_stream();
  });
  const auto answer = generate_and_wait(*model_for(server), ask());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->text, "Hello");
  gate.open();
}

// The seam.

TEST_F(RemoteModelTest, AnswersForItsConfiguredModelsOnly) {
  const LoopbackServer server(stream(kHello));
  const auto model = model_for(server, [](RemoteOptions& options) {
    options.models = {"other", "m"};
    options.context_tokens = 8192;
  });
  ASSERT_EQ(model->models().size(), 2u);
  EXPECT_EQ(model->models()[0].id, "m");
  EXPECT_EQ(model->models()[0].backend, "remote");
  EXPECT_EQ(model->models()[0].context_tokens, 8192);
  EXPECT_EQ(model->models()[1].id, "other");

  GenerateRequest request = ask();
  request.model = "third";
  const auto refused = generate_and_wait(*model, request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(refused.error().param, "model");
  EXPECT_EQ(refused.error().reason, "model_not_found");
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(RemoteModelTest, EstimatesTokensByBytes) {
  const LoopbackServer server(stream(kHello));
  const auto model = model_for(server);
  const std::vector<ChatMessage> messages = {ChatMessage::text("system", std::string(400, 'a')),
                                             ChatMessage::text("user", std::string(40, 'b'))};
  EXPECT_EQ(model->count_tokens(messages).value(), 110 + 2 * 4);
  EXPECT_GT(model->count_tokens(messages, Json::parse(R"([{"type":"function"}])")).value(), 118);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(RemoteModelTest, RefusesOptionsThatCannotWork) {
  struct Case {
    const char* option;
    std::function<void(RemoteOptions&)> change;
  };
  const Case cases[] = {
      {"language.remote.base_url", [](RemoteOptions& o) { o.base_url = ""; }},
      {"language.remote.base_url", [](RemoteOptions& o) { o.base_url = "localhost:8000"; }},
      {"language.remote.base_url", [](RemoteOptions& o) { o.base_url = "file:///etc/passwd"; }},
      {"language.remote.model", [](RemoteOptions& o) { o.model = ""; }},
      {"language.remote.api_key", [](RemoteOptions& o) { o.api_key = "sk\r\nx-evil: 1"; }},
      {"language.remote.max_tokens_field", [](RemoteOptions& o) { o.max_tokens_field = "x"; }},
  };
  for (const Case& c : cases) {
    RemoteOptions options = options_for("http://127.0.0.1:1/v1");
    c.change(options);
    const auto model = RemoteModel::create(options, http_, clock_, random_);
    ASSERT_FALSE(model) << c.option;
    EXPECT_EQ(model.error().param, c.option);
    EXPECT_THAT(model.error().message, Not(HasSubstr("evil")));
  }
}

TEST_F(RemoteModelTest, EachOptionHasAKeyAndTheKeyToTheUpstreamIsSecret) {
  RemoteOptions options;
  base::OptionSet set;
  options.describe(set);
  ASSERT_TRUE(set.assign("language.remote.base_url", "http://127.0.0.1:1/v1", "--remote"));
  ASSERT_TRUE(set.assign("language.remote.models", "a,b", "--models"));
  ASSERT_TRUE(set.assign("language.remote.api_key", "sk-1", "--key"));
  ASSERT_TRUE(set.assign("language.remote.retries", "7", "--retries"));
  EXPECT_FALSE(set.assign("language.remote.retries", "700", "--retries"));
  EXPECT_EQ(options.base_url, "http://127.0.0.1:1/v1");
  EXPECT_THAT(options.models, ElementsAre("a", "b"));
  EXPECT_EQ(options.retries, 7);
  for (const base::OptionSet::Option& option : set.options()) {
    EXPECT_EQ(option.key.rfind("language.remote.", 0), 0u) << option.key;
    EXPECT_EQ(option.secret, option.key == "language.remote.api_key");
    if (option.secret) {
      EXPECT_EQ(base::OptionSet::value(option), "(set)");
    }
  }
}

}  // namespace
}  // namespace rapport::language
