// What takes long with the real SmolLM2: long conversations, a storm of requests, quantising.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <random>
#include <thread>

#include "rapport/language/embedded_model.h"
#include "rapport/language/model_files.h"
#include "rapport/language/quantize.h"
#include "shared_model.h"
#include "testing/temporary_directory.h"

namespace rapport::language {
namespace {

GenerateRequest long_question(int number, std::int32_t max_tokens) {
  std::string text = "Question " + std::to_string(number) + ". Here is what we know:";
  for (int i = 0; i < 90 + 5 * number; ++i) text += " fact " + std::to_string(i * (number + 3));
  return greedy(text + " What follows from it?", max_tokens);
}

// Without flash attention the same request gets the same numbers in conversations of any length,
// read in any pieces, from any cache.
TEST(EmbeddedModelSlow, WithoutFlashAttentionLongConversationsAreTheSameBesideOthersToo) {
  EmbeddedOptions options = small_options();
  options.flash_attention = false;
  options.context_tokens = 1024;
  const auto model = EmbeddedModel::load(options);
  ASSERT_TRUE(model) << model.error().message;
  std::vector<Completion> alone;
  for (int i = 0; i < 4; ++i) {
    GenerateRequest request = long_question(i, 20);
    request.logprobs = true;
    alone.push_back(generate_and_wait(**model, request).value());
    ASSERT_GT(alone.back().usage.prompt_tokens, 300);
  }
  for (const double temperature_before : {0.0, 1.0}) {
    std::vector<std::future<Result<Completion>>> together;
    for (int i = 0; i < 4; ++i) {
      // Something else with this beginning goes first, so that the cache holds pieces of it.
      GenerateRequest other = long_question(i, 3);
      other.sampling.temperature = temperature_before;
      other.messages.push_back(ChatMessage::text("assistant", "Nothing."));
      other.messages.push_back(ChatMessage::text("user", "Are you sure?"));
      ASSERT_TRUE(generate_and_wait(**model, other));
    }
    for (int i = 0; i < 4; ++i) {
      together.push_back(std::async(std::launch::async, [&, i] {
        GenerateRequest request = long_question(i, 20);
        request.logprobs = true;
        return generate_and_wait(**model, request);
      }));
    }
    for (std::size_t i = 0; i < together.size(); ++i) {
      const Completion done = together[i].get().value();
      EXPECT_EQ(done.text, alone[i].text);
      ASSERT_EQ(done.logprobs.size(), alone[i].logprobs.size());
      for (std::size_t t = 0; t < done.logprobs.size(); ++t)
        EXPECT_EQ(done.logprobs[t].logprob, alone[i].logprobs[t].logprob) << i << ", token " << t;
    }
  }
}

// A hundred requests of all kinds from many threads, some cancelled at some point: each is told
// exactly once how it ended, and the model is as good as new afterwards.
TEST(EmbeddedModelSlow, SurvivesAStorm) {
  EmbeddedModel& model = shared_model();
  const GenerateRequest probe = greedy("Name three fruits.", 8);
  const std::string before = generate_and_wait(model, probe)->text;
  std::atomic<int> ended = 0;
  std::vector<std::jthread> clients;
  for (unsigned client = 0; client < 10; ++client) {
    clients.emplace_back([&, client] {
      std::mt19937 random(client);
      for (int i = 0; i < 10; ++i) {
        GenerateRequest request = long_question(static_cast<int>(random() % 8),
                                                1 + static_cast<std::int32_t>(random() % 12));
        request.sampling.temperature = static_cast<double>(random() % 3) / 2;
        request.logprobs = random() % 2 == 0;
        if (random() % 4 == 0) request.output.kind = OutputKind::kJsonObject;
        if (random() % 5 == 0) {
          ASSERT_TRUE(model.score_choices({.messages = request.messages,
                                           .prompt = {},
                                           .choices = {"A", "B", "none of these"},
                                           .stop_token = {}}));
        }
        std::stop_source stop;
        request.stop_token = stop.get_token();
        std::atomic<int> left = static_cast<int>(random() % 20);
        const auto done = generate_and_wait(model, request, [&](const Delta&) {
          if (--left == 0) stop.request_stop();
        });
        ASSERT_TRUE(done) << done.error().message;
        ++ended;
      }
    });
  }
  clients.clear();
  EXPECT_EQ(ended, 100);
  EXPECT_EQ(generate_and_wait(model, probe)->text, before);
}

TEST(EmbeddedModelSlow, ChoicesTogetherAreScoredAsAlone) {
  // Weights of 8 bits multiply several tokens at once in another order than one, which shows by
  // some .7 % in sentences as unlikely as these.
  expect_scored_as_alone(shared_model(), 1.5e-2);
  const testing::TemporaryDirectory folder;
  EmbeddedOptions options = small_options();
  options.path = folder.file("f32.gguf");
  options.flash_attention = false;
  options.parallel = 1;
  ASSERT_TRUE(quantize(testing::smollm2_path(), options.path, {.type = "f32"}));
  const auto model = EmbeddedModel::load(options);
  ASSERT_TRUE(model) << model.error().message;
  expect_scored_as_alone(**model, 1e-3);
}

TEST(EmbeddedModelSlow, AModelQuantisedAgainStillSpeaks) {
  rapport::testing::TemporaryDirectory folder;
  for (const char* type : {"q4_0", "q4_k_m", "bf16"}) {
    const std::string path = folder.file(std::string("smollm2-") + type + ".gguf");
    ASSERT_TRUE(quantize(testing::smollm2_path(), path, {.type = type}));
    EXPECT_EQ(read_model_file(path)->parameters,
              read_model_file(testing::smollm2_path())->parameters);
    EmbeddedOptions options = small_options();
    options.path = path;
    const auto model = EmbeddedModel::load(options);
    ASSERT_TRUE(model) << model.error().message;
    GenerateRequest request = greedy("What is the capital of France?", 24);
    request.messages.insert(request.messages.begin(),
                            ChatMessage::text("system", "Answer in English."));
    EXPECT_NE(generate_and_wait(**model, request)->text.find("Paris"), std::string::npos) << type;
  }
}

}  // namespace
}  // namespace rapport::language
