// Several requests at once: side by side, waiting, cancelled, shut down.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "rapport/language/embedded_model.h"
#include "shared_model.h"

namespace rapport::language {
namespace {

using Done = std::future<Result<Completion>>;

/// Starts a request and says so: `first` is ready when its first piece has come.
struct Started {
  Done done;
  std::shared_future<void> first;
};

Started start(EmbeddedModel& model, GenerateRequest request) {
  auto done = std::make_shared<std::promise<Result<Completion>>>();
  auto first = std::make_shared<std::promise<void>>();
  auto seen = std::make_shared<std::atomic<bool>>(false);
  Started started{done->get_future(), first->get_future().share()};
  model.generate(std::move(request), {.on_delta =
                                          [first, seen](const Delta&) {
                                            if (!seen->exchange(true)) first->set_value();
                                          },
                                      .on_done =
                                          [done, first, seen](Result<Completion> result) {
                                            if (!seen->exchange(true)) first->set_value();
                                            done->set_value(std::move(result));
                                          }});
  return started;
}

std::vector<GenerateRequest> eight_questions(std::int32_t max_tokens) {
  const char* questions[] = {"What is the capital of Italy?",
                             "Name three fruits.",
                             "Why is the sky blue? Explain it to a child, please, in short words.",
                             "Write a line about rain.",
                             "Who wrote Hamlet?",
                             "Say something kind.",
                             "What is 12 times 12, and how would one work it out by hand on paper?",
                             "Translate 'good morning' into French."};
  std::vector<GenerateRequest> requests;
  for (const char* question : questions) requests.push_back(greedy(question, max_tokens));
  return requests;
}

TEST(EmbeddedConcurrency, EightAtOnceAnswerAsEachAlone) {
  std::vector<GenerateRequest> requests = eight_questions(10);
  requests[3].sampling.temperature = 1;
  requests[3].sampling.seed = 5;
  requests[4].logprobs = true;
  std::vector<Result<Completion>> alone;
  for (const GenerateRequest& request : requests)
    alone.push_back(generate_and_wait(shared_model(), request));

  std::vector<Started> together;
  for (const GenerateRequest& request : requests)
    together.push_back(start(shared_model(), request));
  for (std::size_t i = 0; i < together.size(); ++i) {
    const auto done = together[i].done.get();
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->text, alone[i]->text) << i;
    EXPECT_EQ(done->usage.completion_tokens, alone[i]->usage.completion_tokens);
    ASSERT_EQ(done->logprobs.size(), alone[i]->logprobs.size());
    for (std::size_t t = 0; t < done->logprobs.size(); ++t)
      EXPECT_EQ(done->logprobs[t].logprob, alone[i]->logprobs[t].logprob)
          << "not one bit of a token's numbers depends on what runs beside it";
  }
}

TEST(EmbeddedConcurrency, MoreThanFitWaitTheirTurn) {
  std::vector<Started> all;
  for (int round = 0; round < 2; ++round) {
    for (GenerateRequest& request : eight_questions(3))
      all.push_back(start(shared_model(), std::move(request)));
  }
  for (Started& one : all) EXPECT_EQ(one.done.get()->usage.completion_tokens, 3);
}

TEST(EmbeddedConcurrency, AnAnswerGoesOnWhileALongPromptIsRead) {
  std::string text = "Summarise: ";
  for (int i = 0; i < 100; ++i) text += " number " + std::to_string(i);
  std::atomic<int> pieces = 0;
  std::atomic<int> pieces_before_prompt_was_read = 0;
  GenerateRequest streaming = greedy("Tell me a long story about a fox.", 30);
  std::promise<void> began, over;
  shared_model().generate(streaming, {.on_delta =
                                          [&](const Delta&) {
                                            if (++pieces == 1) began.set_value();
                                          },
                                      .on_done = [&](auto) { over.set_value(); }});
  began.get_future().get();
  const int before = pieces;
  const auto read = generate_and_wait(shared_model(), greedy(text, 1), [&](const Delta&) {
    pieces_before_prompt_was_read = pieces.load();
  });
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_GT(read->usage.prompt_tokens - read->usage.cached_tokens, 3 * 128);
  EXPECT_GE(pieces_before_prompt_was_read, before + 2)
      << "one token after each piece of 128 at least";
  over.get_future().get();
}

TEST(EmbeddedConcurrency, ACancelledAnswerEndsSoonWithWhatThereIs) {
  std::stop_source stop;
  GenerateRequest request = greedy("Tell me a very long story about a fox.", 400);
  request.stop_token = stop.get_token();
  int pieces = 0;
  const auto done = generate_and_wait(shared_model(), request, [&](const Delta&) {
    if (++pieces == 3) stop.request_stop();
  });
  ASSERT_TRUE(done);
  EXPECT_EQ(done->finish_reason, FinishReason::kCancelled);
  EXPECT_NE(done->text, "");
  EXPECT_LE(done->usage.completion_tokens, 5) << "between two tokens, not later";
}

TEST(EmbeddedConcurrency, ACancelledRequestNeverStarts) {
  std::stop_source stop;
  stop.request_stop();
  GenerateRequest request = greedy("Hello", 50);
  request.stop_token = stop.get_token();
  const auto done = generate_and_wait(shared_model(), request);
  EXPECT_EQ(done->finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(done->usage.completion_tokens, 0);
}

/// A model of its own that can be filled and shut down.
class EmbeddedLimits : public ::testing::Test {
 protected:
  void SetUp() override {
    EmbeddedOptions options = small_options();
    options.parallel = 1;
    options.max_queued = 2;
    auto loaded = EmbeddedModel::load(options);
    ASSERT_TRUE(loaded) << loaded.error().message;
    model = *std::move(loaded);
  }
  std::unique_ptr<EmbeddedModel> model;
};

TEST_F(EmbeddedLimits, AFullQueueSaysWhenToTryAgain) {
  std::stop_source stop;
  GenerateRequest request = greedy("Tell me a very long story.", 400);
  request.stop_token = stop.get_token();
  Started running = start(*model, request);
  running.first.get();
  Started waiting = start(*model, request), last = start(*model, request);
  const auto refused = generate_and_wait(*model, greedy("Hello", 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(refused.error().retry_after);
  stop.request_stop();
  for (Started* one : {&running, &waiting, &last})
    EXPECT_EQ(one->done.get()->finish_reason, FinishReason::kCancelled);
  EXPECT_TRUE(generate_and_wait(*model, greedy("Hello", 1))) << "there is room again";
}

TEST_F(EmbeddedLimits, ShutdownTellsWhatRunsAndWhatWaits) {
  Started running = start(*model, greedy("Tell me a very long story.", 400));
  running.first.get();
  Started waiting = start(*model, greedy("Hello", 400));
  model->shutdown();
  EXPECT_EQ(running.done.get().error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(waiting.done.get().error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(generate_and_wait(*model, greedy("Hello", 1)).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(
      model->score_choices({.messages = {}, .prompt = "a", .choices = {"b"}, .stop_token = {}})
          .error()
          .code,
      ErrorCode::kUnavailable);
  model->shutdown();
}

}  // namespace
}  // namespace rapport::language
