#include "rapport/retrieval/weight_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/retrieval/popularity.h"
#include "resume_testing.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TrainingStateFile : public ::testing::Test {
 protected:
  base::Safetensors written(const base::SafetensorsWriter& writer) {
    EXPECT_TRUE(writer.write(folder_.path() / "state"));
    return base::Safetensors::open(folder_.path() / "state").value();
  }

  const rapport::testing::TemporaryDirectory folder_;
  const TrainingState state_{.weights = {1, 2},
                             .best = {3, 4},
                             .first_moment = {5, 6},
                             .second_moment = {7, 8},
                             .average = {9, 10},
                             .steps = 9};
};

TEST_F(TrainingStateFile, GivesBackWhatWasSaved) {
  for (const bool everything : {true, false}) {
    TrainingState state = state_;
    if (!everything) {
      state.first_moment = state.second_moment = state.average = {};
      state.steps = 0;
    }
    base::SafetensorsWriter writer;
    state.save(writer);
    TrainingState read = state;
    read.weights = read.best = {0, 0};
    read.steps = 0;
    ASSERT_TRUE(read.load(written(writer)));
    EXPECT_EQ(read.weights, state.weights);
    EXPECT_EQ(read.best, state.best);
    EXPECT_EQ(read.first_moment, state.first_moment);
    EXPECT_EQ(read.second_moment, state.second_moment);
    EXPECT_EQ(read.average, state.average);
    EXPECT_EQ(read.steps, state.steps);
  }
}

TEST_F(TrainingStateFile, IsRefusedWhenDamagedAndLeavesWhatWasThere) {
  for (const std::string steps : {"", "x", "12x", "-1", "99999999999999999999"}) {
    base::SafetensorsWriter writer;
    for (const char* const name : {"weights", "best", "first_moment", "second_moment", "average"})
      writer.add(name, {2}, std::vector<float>{0, 0});
    writer.add_bytes("steps", "U8", {static_cast<std::int64_t>(steps.size())}, steps);
    TrainingState state = state_;
    const auto loaded = state.load(written(writer));
    ASSERT_FALSE(loaded) << steps;
    EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt) << steps;
    EXPECT_THAT(loaded.error().message, HasSubstr("steps"));
    EXPECT_EQ(state.weights, state_.weights);
    EXPECT_EQ(state.steps, 9);
  }
  TrainingState more = state_;
  more.weights.push_back(0);
  base::SafetensorsWriter writer;
  state_.save(writer);
  EXPECT_FALSE(more.load(written(writer)));
}

TEST(WithinMemory, SaysWhatDoesNotFitAndWhatToDo) {
  const auto dataset = rapport::testing::random_dataset(20, 10, 1);
  const auto fit = within_memory("bprmf", dataset, "lower dimension",
                                 []() -> Result<Fit> { throw std::bad_alloc(); });
  ASSERT_FALSE(fit);
  EXPECT_EQ(fit.error().code, ErrorCode::kInternal);
  EXPECT_THAT(fit.error().message,
              AllOf(HasSubstr("bprmf does not fit into memory"), HasSubstr("20 users and 10 items"),
                    HasSubstr("lower dimension")));
}

TEST(WithinMemory, PassesOnWhatALibraryThrows) {
  const auto fit =
      within_memory("ease", rapport::testing::random_dataset(20, 10, 1), "",
                    []() -> Result<Fit> { throw std::runtime_error("no such kernel"); });
  ASSERT_FALSE(fit);
  EXPECT_EQ(fit.error().code, ErrorCode::kInternal);
  EXPECT_THAT(fit.error().message, HasSubstr("no such kernel"));
}

TEST(WithinMemory, IsWhereATrainingEndsThatRunsOutOfItInAnEpoch) {
  const auto dataset = rapport::testing::random_dataset(20, 10, 1);
  const base::SystemClock clock;
  WeightLayout layout;
  layout.add("weights", {3});
  const auto fit = within_memory("mine", dataset, "lower it", [&] {
    return train_weights(
        dataset,
        {.kind = "mine",
         .layout = layout,
         .initialise = [](const WeightPlace&, std::span<float>, base::Random&) {},
         .run_epoch = [](std::int64_t, std::uint64_t, TrainingState&) -> Result<double> {
           throw std::bad_alloc();
         },
         .model = [](std::span<const float>) { return nullptr; },
         .loop = {.epochs = 1}},
        {.clock = clock});
  });
  ASSERT_FALSE(fit);
  EXPECT_THAT(fit.error().message, HasSubstr("mine does not fit into memory"));
}

TEST(Average, IsTheMeanOfTheFirstEpochsAndThenForgetsSlowly) {
  TrainingState state;
  state.weights = state.average = {0};
  std::vector<float> averages;
  for (std::int64_t epoch = 1; epoch <= 4; ++epoch) {
    state.weights = {static_cast<float>(epoch * epoch)};  // 1, 4, 9, 16
    state.add_to_average(epoch, 2);
    averages.push_back(state.average[0]);
  }
  EXPECT_THAT(averages, ElementsAre(1, 2.5f, 5.75f, 10.875f));
}

TEST(Average, IsWhatIsValidatedAndKeptWhileTheTrainingGoesOnFromItsOwnWeights) {
  const auto dataset = rapport::testing::random_dataset(20, 10, 1);
  const base::SystemClock clock;
  WeightLayout layout;
  layout.add("weights", {1});
  std::vector<float> validated, trained;
  const auto fit = [&](std::int64_t average, const FitContext& context) {
    return train_weights(
        dataset,
        {.kind = "mine",
         .layout = layout,
         .initialise = [](const WeightPlace&, std::span<float>, base::Random&) {},
         .run_epoch = [&](std::int64_t, std::uint64_t, TrainingState& state) -> Result<double> {
           state.weights[0] += 1;
           trained.push_back(state.weights[0]);
           return 1.0;
         },
         .model =
             [&](std::span<const float> weights) {
               validated.push_back(weights[0]);
               return Popularity::fit(dataset);
             },
         .loop = {.epochs = 3, .average = average}},
        context);
  };
  ASSERT_TRUE(fit(1, {.clock = clock}));
  EXPECT_THAT(validated, ElementsAre(1, 2, 3, 1));  // the last: the best, never beaten
  validated = trained = {};
  ASSERT_TRUE(fit(10, {.clock = clock}));
  EXPECT_THAT(validated, ElementsAre(1, 1.5f, 2, 1));
  EXPECT_THAT(trained, ElementsAre(1, 2, 3));
  validated = {};
  ASSERT_TRUE(stopped_and_resumed(clock, 2, [&](const FitContext& c) { return fit(10, c); }));
  EXPECT_THAT(validated, ElementsAre(1, 1.5f, 2, 1));
}

TEST(AdamUpdate, OfTheSumOfGradientsIsTheSameForAnyThreadsAndParts) {
  constexpr std::int64_t kSize = 40'000;
  std::vector<float> one(kSize), other(kSize), sum(kSize);
  for (std::size_t i = 0; i < one.size(); ++i) {
    one[i] = static_cast<float>(i % 7) - 3;
    other[i] = static_cast<float>(i % 5);
    sum[i] = one[i] + other[i];
  }
  TrainingThreads single(1), more(3);
  TrainingState state;
  state.weights = state.first_moment = state.second_moment = std::vector<float>(kSize, 0.5f);
  TrainingState whole = state, parts = state;
  adam_step({.learning_rate = 0.1f}, sum, single, whole);
  EXPECT_EQ(whole.steps, 1);
  const AdamStep step{.learning_rate = 0.1f, .step = 1};
  const float* const first[] = {one.data(), other.data()};
  const float* const second[] = {one.data() + 17'001, other.data() + 17'001};
  adam_update(step, 0, 17'001, first, more, parts);
  adam_update(step, 17'001, kSize - 17'001, second, more, parts);
  EXPECT_EQ(parts.weights, whole.weights);
  EXPECT_EQ(parts.second_moment, whole.second_moment);
  EXPECT_NE(parts.weights, state.weights);
}

}  // namespace
}  // namespace rapport::retrieval
