// The probabilities of given continuations.
#include <gtest/gtest.h>

#include <cmath>
#include <future>

#include "rapport/language/embedded_model.h"
#include "shared_model.h"

namespace rapport::language {
namespace {

/// What the model writes greedily after these messages, with its probabilities.
Completion written(const std::vector<ChatMessage>& messages, std::int32_t tokens) {
  GenerateRequest request = greedy("", tokens);
  request.messages = messages;
  request.logprobs = true;
  return generate_and_wait(shared_model(), request).value();
}

const std::vector<ChatMessage> kQuestion = {
    ChatMessage::text("user", "Is Paris in France? Answer A for yes or B for no.")};

TEST(ScoreChoices, AgreesWithTheProbabilitiesOfGenerating) {
  const Completion answer = written(kQuestion, 6);
  const std::string first = answer.logprobs[0].token;
  const auto scores = shared_model().score_choices({.messages = kQuestion,
                                                    .prompt = {},
                                                    .choices = {first, answer.text, "B"},
                                                    .stop_token = {}});
  ASSERT_TRUE(scores) << scores.error().message;
  EXPECT_EQ(scores->tokens[0], 1);
  EXPECT_EQ(scores->logprobs[0], answer.logprobs[0].logprob) << "one token: to the last bit";

  // Several tokens: the sum of each given those before it.
  ASSERT_EQ(static_cast<std::size_t>(scores->tokens[1]), answer.logprobs.size());
  float sum = 0;
  for (const TokenLogprob& token : answer.logprobs) sum += token.logprob;
  EXPECT_NEAR(scores->logprobs[1], sum, 1e-4);
  EXPECT_EQ(scores->usage.prompt_tokens, answer.usage.prompt_tokens);
}

TEST(ScoreChoices, AgreesWithAskingStepByStep) {
  const std::string prompt = "The three primary colours are red, yellow and";
  const std::vector<std::string> choices = {" blue", " green and orange", " blue.", " xylophone"};
  const auto scores = shared_model().score_choices(
      {.messages = {}, .prompt = prompt, .choices = choices, .stop_token = {}});
  ASSERT_TRUE(scores);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    float sum = 0;
    std::string so_far = prompt;
    for (const std::int32_t token : shared_model().tokenize(choices[i])) {
      const std::string piece = shared_model().token_bytes(token);
      const auto step = shared_model().score_choices(
          {.messages = {}, .prompt = so_far, .choices = {piece}, .stop_token = {}});
      sum += step->logprobs[0];
      so_far += piece;
    }
    EXPECT_NEAR(scores->logprobs[i], sum, 1e-3) << choices[i];
  }
  EXPECT_GT(scores->logprobs[0], scores->logprobs[3]);
}

TEST(ScoreChoices, IsTheSameEachTimeAndBesideAnswers) {
  const ChoiceRequest request{
      .messages = kQuestion, .prompt = {}, .choices = {"A", "B", "Yes, it is"}, .stop_token = {}};
  const auto alone = shared_model().score_choices(request);
  EXPECT_EQ(shared_model().score_choices(request)->logprobs, alone->logprobs);
  std::promise<void> over;
  shared_model().generate(greedy("Tell me a story.", 20),
                          {.on_delta = {}, .on_done = [&](auto) { over.set_value(); }});
  EXPECT_EQ(shared_model().score_choices(request)->logprobs, alone->logprobs);
  over.get_future().get();
}

TEST(ScoreChoices, OneTokenChoicesAreADistribution) {
  std::vector<std::string> letters;
  for (char letter = 'A'; letter <= 'Z'; ++letter) letters.emplace_back(1, letter);
  const auto scores = shared_model().score_choices(
      {.messages = kQuestion, .prompt = {}, .choices = letters, .stop_token = {}});
  double sum = 0;
  for (const float logprob : scores->logprobs) sum += std::exp(logprob);
  EXPECT_GT(sum, 0);
  EXPECT_LE(sum, 1);
}

struct RefusalCase {
  ChoiceRequest request;
  const char* param;
  ErrorCode code = ErrorCode::kInvalidArgument;
};

TEST(ScoreChoices, RefusesWhatCannotBeScored) {
  std::stop_source stopped;
  stopped.request_stop();
  std::string too_long;
  while (too_long.size() < 6000) too_long += " on and on";
  const RefusalCase cases[] = {
      {{.messages = kQuestion, .prompt = {}, .choices = {}, .stop_token = {}}, "choices"},
      {{.messages = kQuestion, .prompt = {}, .choices = {"A", ""}, .stop_token = {}}, "choices[1]"},
      {{.messages = {}, .prompt = "", .choices = {"A"}, .stop_token = {}}, "prompt"},
      {{.messages = {}, .prompt = too_long, .choices = {"A"}, .stop_token = {}}, "messages"},
      {{.messages = {}, .prompt = "x", .choices = {too_long}, .stop_token = {}}, "messages"},
      {{.messages = kQuestion, .prompt = {}, .choices = {"A"}, .stop_token = stopped.get_token()},
       "",
       ErrorCode::kCancelled},
      {{.messages = kQuestion,
        .prompt = {},
        .choices = {"of several tokens"},
        .stop_token = stopped.get_token()},
       "",
       ErrorCode::kCancelled},
  };
  for (const RefusalCase& c : cases) {
    const auto scores = shared_model().score_choices(c.request);
    ASSERT_FALSE(scores);
    EXPECT_EQ(scores.error().code, c.code) << scores.error().message;
    EXPECT_EQ(scores.error().param, c.param) << scores.error().message;
  }
}

TEST(ScoreChoices, EndWithTheModelWhetherTheyWaitOrRun) {
  EmbeddedOptions options = small_options();
  options.parallel = 1;
  auto model = EmbeddedModel::load(options).value();
  ChoiceRequest request{.messages = kQuestion, .prompt = {}, .choices = {}, .stop_token = {}};
  for (int i = 0; i < 60; ++i)
    request.choices.push_back("an answer that is number " + std::to_string(i));
  std::vector<std::future<Result<ChoiceScores>>> waiting;
  for (int i = 0; i < 3; ++i)
    waiting.push_back(
        std::async(std::launch::async, [&] { return model->score_choices(request); }));
  const auto first = waiting[0].wait_for(std::chrono::milliseconds(1));
  model->shutdown();
  for (auto& each : waiting) {
    const auto scores = each.get();  // none waits for ever
    EXPECT_TRUE(scores || scores.error().code == ErrorCode::kUnavailable);
  }
  EXPECT_EQ(first, std::future_status::timeout) << "there was nothing to end";
  EXPECT_EQ(model->score_choices(request).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace rapport::language
