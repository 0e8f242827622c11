#include "rapport/tuning/lora_training.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "llama_reference.h"
#include "testing/temporary_directory.h"
#include "testing/tiny_llama.h"

namespace rapport::tuning {
namespace {

using rapport::testing::kTinyShape;
using rapport::testing::relative_difference;
using rapport::testing::write_tiny_llama;

using ::testing::AllOf;
using ::testing::HasSubstr;

#ifndef RAPPORT_HAS_TUNING

TEST(LoraTraining, SaysWhatIsMissingInABuildWithout) {
  const auto tuned = train_lora("model.gguf", {}, {}, {.clock = base::SystemClock()});
  ASSERT_FALSE(tuned);
  EXPECT_EQ(tuned.error().code, ErrorCode::kUnsupported);
}

#else

class LoraTraining : public ::testing::Test {
 protected:
  LoraTraining() : model_(folder_.path() / "tiny.gguf") { write_tiny_llama(model_); }

  /// Prompts of 10 to 19 tokens; the answer is the first token and then the second.
  static std::vector<TrainingText> texts(std::size_t count) {
    std::vector<TrainingText> made;
    for (std::size_t i = 0; i < count; ++i) {
      TrainingText text;
      const std::size_t size = 10 + i % 10;
      for (std::size_t j = 0; j < size; ++j)
        text.tokens.push_back(static_cast<std::int32_t>((i * 31 + j * 17 + i * j) % 90));
      text.answer = static_cast<std::int64_t>(size);
      text.tokens.push_back(text.tokens[0]);
      text.tokens.push_back(text.tokens[1]);
      made.push_back(text);
    }
    return made;
  }
  static LoraOptions options() {
    return {.rank = 4, .learning_rate = 1e-2, .epochs = 3, .batch_tokens = 64};
  }
  Result<TunedAdapter> train(const LoraOptions& options, const std::vector<TrainingText>& texts) {
    return train_lora(model_, texts, options, {.clock = clock_, .threads = 1});
  }

  const rapport::testing::TemporaryDirectory folder_;
  const std::filesystem::path model_;
  const base::SystemClock clock_;
};

TEST_F(LoraTraining, ComputesWhatLlamaCppComputes) {
  const TrainingText text = texts(8).back();
  for (const bool own_output : {false, true}) {
    LlamaShape shape = kTinyShape;
    shape.has_own_output = own_output;
    write_tiny_llama(model_, shape);
    for (const std::int64_t answer : {std::int64_t{1}, text.answer}) {
      const TrainingText asked{.tokens = text.tokens, .answer = answer};
      const auto logits = answer_logits(model_, asked, nullptr);
      ASSERT_TRUE(logits) << logits.error().message;
      auto expected = llama_logits(model_, text.tokens, static_cast<std::size_t>(answer - 1));
      expected.resize(expected.size() - 97);  // after the last token comes no answer
      EXPECT_LT(relative_difference(*logits, expected), 1e-5);
    }
  }
}

TEST_F(LoraTraining, GivesAnAdapterThatLlamaCppComputesAlike) {
  LoraOptions all = options();
  all.targets = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};
  const auto tuned = train(all, texts(20));
  ASSERT_TRUE(tuned) << tuned.error().message;
  const auto path = folder_.path() / "adapter.gguf";
  ASSERT_TRUE(write_adapter(tuned->adapter, path));
  const TrainingText text{.tokens = texts(3).back().tokens, .answer = 1};
  const auto plain = answer_logits(model_, text, nullptr).value();
  const auto logits = answer_logits(model_, text, &tuned->adapter).value();
  auto expected = llama_logits(model_, text.tokens, 0, path);
  expected.resize(expected.size() - 97);
  EXPECT_LT(relative_difference(logits, expected), 1e-5);
  EXPECT_GT(relative_difference(logits, plain), 1e-2);  // it does something
}

TEST_F(LoraTraining, LearnsAnswers) {
  LoraOptions more = options();
  more.epochs = 30;
  std::vector<double> losses;
  const auto examples = texts(40);
  const auto tuned =
      train_lora(model_, examples, more,
                 {.clock = clock_, .threads = 1, .on_progress = [&](const TuneProgress& progress) {
                    losses.push_back(progress.loss);
                  }});
  ASSERT_TRUE(tuned) << tuned.error().message;
  EXPECT_LT(losses.back(), losses.front() / 2);
  EXPECT_EQ(tuned->report["steps"], losses.size());
}

TEST_F(LoraTraining, OfUpperLayersIsTheSameFromKeptStatesAndFromNewOnes) {
  LoraOptions upper = options();
  upper.layers = 1;
  const auto kept = train(upper, texts(12)).value();
  upper.cache_mib = 0;
  const auto again = train(upper, texts(12)).value();
  EXPECT_EQ(kept.adapter.matrices.size(), 2u);
  EXPECT_EQ(kept.adapter.matrices[0].tensor, "blk.2.attn_q.weight");
  for (std::size_t i = 0; i < kept.adapter.matrices.size(); ++i)
    EXPECT_LT(relative_difference(kept.adapter.matrices[i].up, again.adapter.matrices[i].up), 1e-4);
}

TEST_F(LoraTraining, GoesOnFromACheckpointToTheSameBits) {
  const auto whole = train(options(), texts(20)).value();
  std::stop_source stop;
  TuneContext context{.clock = clock_,
                      .threads = 1,
                      .checkpoint = folder_.path() / "checkpoint",
                      .checkpoint_every = 3,
                      .resume = true,
                      .on_progress =
                          [&](const TuneProgress& progress) {
                            if (progress.step == 5) stop.request_stop();
                          },
                      .stop_token = stop.get_token()};
  const auto examples = texts(20);
  const auto stopped = train_lora(model_, examples, options(), context);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  context.stop_token = {};
  context.resume = false;
  const auto anew = train_lora(model_, examples, options(), context);
  ASSERT_FALSE(anew) << "what was stopped would be lost";
  EXPECT_EQ(anew.error().code, ErrorCode::kConflict);
  context.resume = true;
  const auto other = train_lora(model_, texts(19), options(), context);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kConflict);
  const auto resumed = train_lora(model_, examples, options(), context);
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(resumed->adapter, whole.adapter);
  EXPECT_EQ(resumed->report["loss"], whole.report["loss"]);
}

TEST_F(LoraTraining, RefusesWhatItCannotLearnFrom) {
  const TrainingText good = texts(1).front();
  struct Case {
    std::vector<TrainingText> texts;
    LoraOptions options;
    std::string says;
  };
  TrainingText long_one = good, no_answer = good, foreign = good;
  long_one.tokens.resize(129);
  no_answer.answer = static_cast<std::int64_t>(no_answer.tokens.size());
  foreign.tokens[3] = 97;
  for (const Case& c :
       {Case{{}, {}, "no texts"}, Case{{good, long_one}, {}, "text 2: its 129 tokens"},
        Case{{no_answer}, {}, "text 1: an answer"}, Case{{foreign}, {}, "no token 97"},
        Case{{good}, {.targets = {"attn_x"}}, "expected attn_q"}}) {
    const auto tuned = train(c.options, c.texts);
    ASSERT_FALSE(tuned) << c.says;
    EXPECT_EQ(tuned.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(tuned.error().message, HasSubstr(c.says));
  }
}

TEST_F(LoraTraining, RefusesAnAdapterOfAnotherModel) {
  LoraAdapter adapter = train(options(), texts(2)).value().adapter;
  adapter.matrices[1].tensor = "blk.7.attn_q.weight";
  const auto logits = answer_logits(model_, texts(1).front(), &adapter);
  ASSERT_FALSE(logits);
  EXPECT_THAT(logits.error().message,
              AllOf(HasSubstr("another model, tiny"), HasSubstr("blk.7.attn_q.weight")));
}

#endif

}  // namespace
}  // namespace rapport::tuning
