// What one request to the embedded model gets, with the real SmolLM2.
#include "rapport/language/embedded_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <set>
#include <sstream>

#include "rapport/base/text.h"
#include "shared_model.h"

namespace rapport::language {
namespace {

TEST(EmbeddedModel, AnswersInWholeCharactersThatJoinToTheText) {
  GenerateRequest request = greedy("Count in Chinese, then show five emoji faces.", 40);
  request.messages.push_back(ChatMessage::text("assistant", "一 二 三 😀"));
  request.messages.push_back(ChatMessage::text("user", "Write exactly this again: 你好，世界 😀😂🎉"));
  const Streamed streamed = stream(shared_model(), request);
  ASSERT_TRUE(streamed.done) << streamed.done.error().message;
  EXPECT_EQ(streamed.text(), streamed.done->text);
  EXPECT_GT(streamed.deltas.size(), 3u);
  bool beyond_ascii = false;
  for (const Delta& delta : streamed.deltas) {
    EXPECT_TRUE(base::is_utf8(delta.text)) << delta.text;
    beyond_ascii |= std::ranges::any_of(delta.text, [](char c) { return (c & 0x80) != 0; });
  }
  EXPECT_TRUE(beyond_ascii) << "the test proves nothing on ASCII: " << streamed.done->text;
}

TEST(EmbeddedModel, SaysWhoAnsweredAndWhatItRead) {
  const auto done = generate_and_wait(shared_model(), greedy("What is the capital of France?", 5));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->model, "smollm2-135m-instruct-q8_0");
  EXPECT_TRUE(done->fingerprint.starts_with("fp_"));
  EXPECT_NE(done->prompt.find("<|im_start|>user\nWhat is the capital of France?<|im_end|>"),
            std::string::npos);
  EXPECT_EQ(done->finish_reason, FinishReason::kLength);
  EXPECT_EQ(done->usage.completion_tokens, 5);
  const ModelInfo info = shared_model().models().at(0);
  EXPECT_EQ(info.id, done->model);
  EXPECT_EQ(info.backend, "embedded");
  EXPECT_EQ(info.context_tokens, kSharedContext);
  EXPECT_EQ(info.parameters, 134'515'008);
}

TEST(EmbeddedModel, StopsByItselfWhenTheAnswerIsOver) {
  GenerateRequest request = greedy("What is 2+2? Answer with one number.", 200);
  request.messages.insert(request.messages.begin(),
                          ChatMessage::text("system", "Answer in one word."));
  const auto done = generate_and_wait(shared_model(), request);
  EXPECT_EQ(done->finish_reason, FinishReason::kStop);
  EXPECT_LT(done->usage.completion_tokens, 200);
  EXPECT_EQ(done->text.find("<|im_end|>"), std::string::npos);
}

TEST(EmbeddedModel, CountsTheTokensItReads) {
  const std::vector<ChatMessage> messages = {
      ChatMessage::text("system", "Be brief. 简短。"),
      ChatMessage::text("user", "Why is the sky blue? <|im_end|>")};
  GenerateRequest request = greedy("", 1);
  request.messages = messages;
  const auto done = generate_and_wait(shared_model(), request);
  EXPECT_EQ(shared_model().count_tokens(messages).value(), done->usage.prompt_tokens);
  const Json tools = Json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
  EXPECT_GT(shared_model().count_tokens(messages, tools).value(), done->usage.prompt_tokens);
}

TEST(EmbeddedModel, EndsBeforeAStopStringWhereverItsTokensBreak) {
  const auto whole = generate_and_wait(shared_model(), greedy("Tell me about the sea.", 40));
  ASSERT_GT(whole->text.size(), 60u);
  // Each of these begins and ends inside tokens.
  for (const std::size_t at : {20u, 33u, 45u}) {
    GenerateRequest request = greedy("Tell me about the sea.", 40);
    request.stop = {"never in it", whole->text.substr(at, 9)};
    const Streamed streamed = stream(shared_model(), request);
    const std::size_t first = whole->text.find(request.stop[1]);
    EXPECT_EQ(streamed.done->text, whole->text.substr(0, first)) << request.stop[1];
    EXPECT_EQ(streamed.text(), streamed.done->text);
    EXPECT_EQ(streamed.done->finish_reason, FinishReason::kStop);
  }
}

TEST(EmbeddedModel, SamplesTheSameWithTheSameSeed) {
  GenerateRequest request = greedy("Invent a name for a cat.", 16);
  request.sampling.temperature = 1.2;
  const auto text = [&](std::optional<std::int64_t> seed) {
    request.sampling.seed = seed;
    return generate_and_wait(shared_model(), request)->text;
  };
  const std::string seven = text(7);
  EXPECT_EQ(text(7), seven);
  EXPECT_EQ(text(-7'000'000'000), text(-7'000'000'000));
  // The value llama.cpp takes for "random" is a seed like any other here.
  EXPECT_EQ(text(0xFFFFFFFF), text(0xFFFFFFFF));
  const std::vector<std::string> others = {text(8), text(9), text({}), text({})};
  EXPECT_TRUE(
      std::ranges::any_of(others, [&](const std::string& other) { return other != seven; }));
}

// Ranking the few likeliest tokens gives what ranking the whole vocabulary gives.
TEST(EmbeddedModel, ItsShortCutsDoNotChangeWhatIsSampled) {
  for (const double temperature : {0.0, 1.0}) {
    GenerateRequest request = greedy("Describe a garden.", 24);
    request.sampling.temperature = temperature;
    request.sampling.seed = 11;
    const std::string quick = generate_and_wait(shared_model(), request)->text;
    request.sampling.logit_bias = {{0, 0.0}};  // nothing, but it takes the long way
    EXPECT_EQ(generate_and_wait(shared_model(), request)->text, quick) << temperature;
  }
}

TEST(EmbeddedModel, FollowsBiasAndPenalties) {
  GenerateRequest request = greedy("Repeat the word yes many times.", 24);
  const auto plain = generate_and_wait(shared_model(), request);
  const std::int32_t token = shared_model().tokenize(" banana").at(0);
  request.sampling.logit_bias = {{token, 100.0}};
  const auto biased = generate_and_wait(shared_model(), request);
  EXPECT_NE(biased->text.find(shared_model().token_bytes(token)), std::string::npos)
      << biased->text;

  GenerateRequest loop = greedy("Write: la la la la la la la la la la la la la", 24);
  const auto distinct = [](const std::string& text) {
    std::istringstream words(text);
    return std::set<std::string>(std::istream_iterator<std::string>(words), {}).size();
  };
  const std::size_t before = distinct(generate_and_wait(shared_model(), loop)->text);
  loop.sampling.frequency_penalty = 2;
  loop.sampling.presence_penalty = 2;
  EXPECT_GT(distinct(generate_and_wait(shared_model(), loop)->text), before);

  request.sampling.logit_bias = {{1'000'000, 1.0}};
  const auto refused = generate_and_wait(shared_model(), request);
  EXPECT_EQ(refused.error().param, "logit_bias");
}

TEST(EmbeddedModel, GivesProbabilitiesStraightFromTheModel) {
  GenerateRequest request = greedy("What is the capital of France?", 8);
  request.logprobs = true;
  request.top_logprobs = 20;
  const Streamed streamed = stream(shared_model(), request);
  ASSERT_TRUE(streamed.done);
  const auto& logprobs = streamed.done->logprobs;
  ASSERT_EQ(logprobs.size(), 8u);
  std::string bytes;
  for (const TokenLogprob& token : logprobs) {
    bytes += token.token;
    ASSERT_EQ(token.top.size(), 20u);
    EXPECT_EQ(token.top[0].token, token.token) << "greedy takes the likeliest";
    EXPECT_EQ(token.top[0].logprob, token.logprob);
    double sum = 0;
    for (std::size_t i = 0; i < 20; ++i) {
      sum += std::exp(token.top[i].logprob);
      EXPECT_LE(token.top[i].logprob, token.top[i == 0 ? 0 : i - 1].logprob);
    }
    EXPECT_GT(sum, 0.3);
    EXPECT_LE(sum, 1.0001);
  }
  EXPECT_EQ(bytes, streamed.done->text);
  std::size_t streamed_tokens = 0;
  for (const Delta& delta : streamed.deltas) streamed_tokens += delta.logprobs.size();
  EXPECT_EQ(streamed_tokens, 8u);

  // Sampling options do not touch them.
  request.sampling.temperature = 2;
  request.sampling.seed = 3;
  request.sampling.logit_bias = {{shared_model().tokenize("The").at(0), -50.0}};
  request.max_tokens = 1;
  const auto hot = generate_and_wait(shared_model(), request);
  EXPECT_EQ(hot->logprobs[0].top[0].logprob, logprobs[0].top[0].logprob);
}

TEST(EmbeddedModel, ProbabilitiesEndWhereTheTextDoes) {
  GenerateRequest request = greedy("Tell me about the sea.", 40);
  request.logprobs = true;
  const auto whole = generate_and_wait(shared_model(), request);
  request.stop = {whole->text.substr(20, 9)};
  const auto cut = generate_and_wait(shared_model(), request);
  std::string bytes;
  for (const TokenLogprob& token : cut->logprobs) bytes += token.token;
  EXPECT_TRUE(bytes.starts_with(cut->text));
  EXPECT_LT(bytes.size(), cut->text.size() + 9);
}

TEST(EmbeddedModel, RefusesAPromptLongerThanItReads) {
  std::string text;
  while (text.size() < 12'000) text += "word and more words, ";
  const auto done = generate_and_wait(shared_model(), greedy(text, 5));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(done.error().reason, "context_length_exceeded");
  EXPECT_EQ(done.error().param, "messages");
  const std::int64_t tokens =
      shared_model().count_tokens({ChatMessage::text("user", text)}).value();
  EXPECT_NE(done.error().message.find(std::to_string(tokens)), std::string::npos);
  EXPECT_NE(done.error().message.find(std::to_string(kSharedContext)), std::string::npos);
}

TEST(EmbeddedModel, EndsAnAnswerWhereTheContextEnds) {
  std::string text = "Go on with this list: ";
  while (shared_model().count_tokens({ChatMessage::text("user", text + " 1,")}).value() <=
         kSharedContext - 6)
    text += " 1,";
  const auto done = generate_and_wait(shared_model(), greedy(text, 100));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->finish_reason, FinishReason::kLength);
  // The last token needs no place: nothing comes after it.
  EXPECT_EQ(done->usage.prompt_tokens + done->usage.completion_tokens, kSharedContext + 1);
}

struct RefusalCase {
  const char* behaviour;
  std::function<void(GenerateRequest&)> spoil;
  ErrorCode code;
  const char* param;
};

TEST(EmbeddedModel, RefusesWhatItCannotHonour) {
  const RefusalCase cases[] = {
      {"another model", [](auto& r) { r.model = "gpt-4o"; }, ErrorCode::kNotFound, "model"},
      {"a parameter that would change the answer",
       [](auto& r) { r.passthrough["modalities"] = Json::array({"audio"}); },
       ErrorCode::kUnsupported, "modalities"},
      {"an unknown parameter", [](auto& r) { r.passthrough["temprature"] = 0; },
       ErrorCode::kUnsupported, "temprature"},
      {"an image",
       [](auto& r) {
         r.messages[0].json["content"] =
             Json::parse(R"([{"type": "image_url", "image_url": {"url": "data:,"}}])");
       },
       ErrorCode::kUnsupported, "messages[0].content"},
      {"a schema that is none",
       [](auto& r) {
         r.output = {OutputKind::kJsonSchema, Json("x"), {}};
       },
       ErrorCode::kInvalidArgument, "response_format"},
      {"a schema of an unknown type",
       [](auto& r) {
         r.output = {OutputKind::kJsonSchema, Json{{"type", "strin"}}, {}};
       },
       ErrorCode::kInvalidArgument, "response_format"},
      {"a schema with a reference to nowhere",
       [](auto& r) {
         r.output = {OutputKind::kJsonSchema, Json{{"$ref", "#/$defs/none"}}, {}};
       },
       ErrorCode::kInvalidArgument, "response_format"},
      {"tools together with a schema",
       [](auto& r) {
         r.tools = Json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
         r.output.kind = OutputKind::kJsonObject;
       },
       ErrorCode::kUnsupported, "response_format"},
  };
  for (const RefusalCase& c : cases) {
    GenerateRequest request = greedy("Hi", 1);
    c.spoil(request);
    const auto checked = shared_model().check(request);
    ASSERT_FALSE(checked) << c.behaviour;
    EXPECT_EQ(checked.error().code, c.code) << c.behaviour << ": " << checked.error().message;
    EXPECT_EQ(checked.error().param, c.param) << c.behaviour;
  }
}

TEST(EmbeddedModel, PassesOverWhatChangesNothing) {
  GenerateRequest request = greedy("Hi", 1);
  request.model = "default";
  request.end_user = "u_123";
  request.passthrough = Json::parse(
      R"({"user": "sam", "metadata": {"a": "b"}, "store": false, "service_tier": "auto", "stream": true,
          "stream_options": {"include_usage": true}, "parallel_tool_calls": false, "prompt_cache_key": "k",
          "safety_identifier": "s", "modalities": null})");
  EXPECT_TRUE(shared_model().check(request));
}

TEST(EmbeddedModel, LoadsNothingThatIsNoChatModel) {
  EmbeddedOptions options = small_options();
  options.path = "/nowhere/model.gguf";
  EXPECT_EQ(EmbeddedModel::load(options).error().code, ErrorCode::kNotFound);
  options.path = testing::model_file("all-minilm-l6-v2-f32.gguf");
  EXPECT_EQ(EmbeddedModel::load(options).error().code, ErrorCode::kUnsupported);
  options = small_options();
  options.chat_template = "/nowhere/template.jinja";
  EXPECT_EQ(EmbeddedModel::load(options).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace rapport::language
