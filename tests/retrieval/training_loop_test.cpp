#include "rapport/retrieval/training_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const base::SystemClock kClock;

/// A training whose weight is a number and whose validation follows a script.
struct Scripted {
  std::vector<double> losses = {};       // by epoch; 1 beyond
  std::vector<double> validations = {};  // by epoch; 0 beyond
  float weight = 0, best = 0;
  std::vector<std::int64_t> epochs = {};

  TrainingLoop loop(LoopOptions options) {
    return {options,
            {.run_epoch = [this](std::int64_t epoch) -> Result<double> {
               epochs.push_back(epoch);
               weight = 2 * weight + static_cast<float>(epoch);
               const auto i = static_cast<std::size_t>(epoch - 1);
               return i < losses.size() ? losses[i] : 1.0;
             },
             .validate = [this]() -> Result<double> {
               const auto i = static_cast<std::size_t>(epochs.back() - 1);
               return i < validations.size() ? validations[i] : 0.0;
             },
             .keep_best = [this] { best = weight; },
             .save_state =
                 [this](base::SafetensorsWriter& writer) {
                   writer.add("weight", {1}, std::vector<float>{weight});
                   writer.add("best", {1}, std::vector<float>{best});
                 },
             .load_state = [this](const base::Safetensors& file) -> Result<void> {
               TRY(const auto read_weight, file.read_floats("weight", {1}));
               TRY(const auto read_best, file.read_floats("best", {1}));
               weight = read_weight[0];
               best = read_best[0];
               return {};
             }}};
  }
};

TEST(TrainingLoop, EndsWhenValidationStopsImprovingAndKeepsTheBest) {
  Scripted training{.validations = {0.1, 0.3, 0.2, 0.25, 0.3}};
  const auto report = training.loop({.epochs = 50, .patience = 3}).run({.clock = kClock}, {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ((*report)["epochs"], 5) << "equal is not better";
  EXPECT_EQ((*report)["best_epoch"], 2);
  EXPECT_EQ((*report)["validation"]["ndcg@10"], 0.3);
  EXPECT_EQ((*report)["curve"].size(), 5u);
  EXPECT_EQ(training.best, 4);  // after epoch 2: 2·1 + 2
}

TEST(TrainingLoop, ValidatesAsOftenAsAskedAndAlwaysAtTheEnd) {
  Scripted training{.validations = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}};
  const auto report =
      training.loop({.epochs = 7, .evaluate_every = 3}).run({.clock = kClock}, {}).value();
  std::vector<std::int64_t> validated;
  for (const Json& entry : report["curve"])
    if (entry.contains("validation_ndcg@10")) validated.push_back(entry["epoch"]);
  EXPECT_EQ(validated, (std::vector<std::int64_t>{3, 6, 7}));
}

TEST(TrainingLoop, ResumesToTheResultOfAnUninterruptedTraining) {
  const std::vector<double> validations = {0.1, 0.2, 0.5, 0.3, 0.4, 0.2, 0.1};
  Scripted whole{.validations = validations};
  const Json expected = whole.loop({.epochs = 7}).run({.clock = kClock}, {{"seed", 1}}).value();

  const rapport::testing::TemporaryDirectory folder;
  FitContext context{.clock = kClock, .checkpoint = folder.path() / "checkpoint", .resume = true};
  std::stop_source stop;
  context.stop_token = stop.get_token();
  context.on_progress = [&](const FitProgress& progress) {
    if (progress.epoch == 4) stop.request_stop();
  };
  Scripted first{.validations = validations};
  const auto stopped = first.loop({.epochs = 7}).run(context, {{"seed", 1}});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(stopped.error().message, HasSubstr("--resume"));

  context.stop_token = {};
  context.on_progress = {};
  Scripted second{.validations = validations};
  const auto report = second.loop({.epochs = 7}).run(context, {{"seed", 1}});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(second.epochs, (std::vector<std::int64_t>{5, 6, 7}));
  EXPECT_EQ(second.weight, whole.weight);
  EXPECT_EQ(second.best, whole.best);
  EXPECT_EQ((*report)["best_epoch"], expected["best_epoch"]);
  EXPECT_EQ((*report)["curve"].size(), 7u);
  ASSERT_TRUE(std::filesystem::exists(context.checkpoint)) << "until the model is saved";
  Scripted third{.validations = validations};
  const auto again = third.loop({.epochs = 7}).run(context, {{"seed", 1}});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(third.epochs.empty());
  EXPECT_EQ(third.best, whole.best);
}

TEST(TrainingLoop, DoesNotWriteOverAStoppedTraining) {
  const rapport::testing::TemporaryDirectory folder;
  std::stop_source stop;
  stop.request_stop();
  const FitContext context{
      .clock = kClock, .checkpoint = folder.path() / "checkpoint", .stop_token = stop.get_token()};
  Scripted training;
  ASSERT_EQ(training.loop({}).run(context, {}).error().code, ErrorCode::kCancelled);
  const auto again = training.loop({}).run(context, {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
  EXPECT_THAT(again.error().message, HasSubstr("--resume"));
}

TEST(TrainingLoop, RefusesTheCheckpointOfAnotherTraining) {
  const rapport::testing::TemporaryDirectory folder;
  std::stop_source stop;
  stop.request_stop();
  FitContext context{.clock = kClock,
                     .checkpoint = folder.path() / "checkpoint",
                     .resume = true,
                     .stop_token = stop.get_token()};
  Scripted training;
  const Json trained = {{"seed", 1}, {"options", {{"dimension", 64}}}};
  ASSERT_FALSE(training.loop({}).run(context, trained));
  const Json asked = {{"seed", 2}, {"options", {{"dimension", 64}, {"device", "cpu"}}}};
  const auto other = training.loop({}).run(context, asked);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kConflict);
  EXPECT_THAT(other.error().message, HasSubstr("seed: 1 instead of 2"));
  EXPECT_THAT(other.error().message, HasSubstr("options/device: none instead of \"cpu\""));
  EXPECT_THAT(other.error().message, Not(HasSubstr("dimension"))) << "what is the same";
}

TEST(TrainingLoop, StopsAtALossThatIsNoNumberAndKeepsTheEpochBefore) {
  const rapport::testing::TemporaryDirectory folder;
  const FitContext context{.clock = kClock, .checkpoint = folder.path() / "checkpoint"};
  Scripted training{.losses = {3, 2, std::numeric_limits<double>::quiet_NaN()},
                    .validations = {0.1, 0.2, 0.3}};
  const auto report = training.loop({}).run(context, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInternal);
  EXPECT_THAT(report.error().message, HasSubstr("epoch 3"));
  const auto kept = base::Safetensors::open(context.checkpoint / "training.safetensors");
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->read_floats("weight", {1}).value()[0], 4);
}

}  // namespace
}  // namespace rapport::retrieval
