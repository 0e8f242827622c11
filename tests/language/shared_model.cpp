#include "shared_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

namespace rapport::language {
namespace {

std::unique_ptr<EmbeddedModel> shared;

/// Ends the model before static objects of llama.cpp go.
class EndSharedModel : public ::testing::Environment {
  void TearDown() override { shared.reset(); }
};
[[maybe_unused]] const auto* const registered =
    ::testing::AddGlobalTestEnvironment(new EndSharedModel);

}  // namespace

EmbeddedOptions small_options() {
  EmbeddedOptions options;
  options.path = testing::smollm2_path();
  options.context_tokens = kSharedContext;
  options.parallel = kSharedParallel;
  return options;
}

EmbeddedModel& shared_model() {
  if (!shared) {
    auto loaded = EmbeddedModel::load(small_options());
    if (!loaded) {
      ADD_FAILURE() << loaded.error().message << " (RAPPORT_TEST_MODELS names the folder)";
      std::abort();
    }
    shared = *std::move(loaded);
  }
  return *shared;
}

GenerateRequest greedy(const std::string& user_message, std::int32_t max_tokens) {
  GenerateRequest request;
  request.messages = {ChatMessage::text("user", user_message)};
  request.sampling.temperature = 0;
  request.max_tokens = max_tokens;
  return request;
}

std::string Streamed::text() const {
  std::string text;
  for (const Delta& delta : deltas) text += delta.text;
  return text;
}

Streamed stream(EmbeddedModel& model, GenerateRequest request) {
  std::vector<Delta> deltas;
  auto done = generate_and_wait(model, std::move(request),
                                [&](const Delta& delta) { deltas.push_back(delta); });
  return {std::move(done), std::move(deltas)};
}

void expect_scored_as_alone(EmbeddedModel& model, double tolerance) {
  const std::string words[] = {" red", " green", " blue", " old", " new", " fast", " slow"};
  ChoiceRequest all{.messages = {ChatMessage::text("user", "What is the car like?")},
                    .prompt = {},
                    .choices = {},
                    .stop_token = {}};
  for (std::size_t i = 0; i < 140; ++i) {
    std::string choice;
    // One of them is longer than a batch, some have one token.
    const std::size_t length = i == 70 ? 300 : 1 + i % 9;
    for (std::size_t w = 0; w < length; ++w) choice += words[(i * 3 + w * w) % std::size(words)];
    all.choices.push_back(choice);
  }
  const auto together = model.score_choices(all);
  ASSERT_TRUE(together) << together.error().message;
  for (const std::size_t i : {0u, 1u, 8u, 69u, 70u, 71u, 127u, 128u, 139u}) {
    ChoiceRequest one = all;
    one.choices = {all.choices[i]};
    const auto alone = model.score_choices(one);
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_EQ(together->tokens[i], alone->tokens[0]);
    EXPECT_NEAR(together->logprobs[i], alone->logprobs[0],
                tolerance * std::abs(static_cast<double>(alone->logprobs[0])))
        << i;
  }
}

}  // namespace rapport::language
