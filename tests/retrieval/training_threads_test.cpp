#include "rapport/retrieval/training_threads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace rapport::retrieval {
namespace {

TEST(TrainingThreads, AreOneACoreUnlessToldOtherwise) {
  EXPECT_EQ(TrainingThreads(3).count(), 3u);
  EXPECT_GE(TrainingThreads(0).count(), 1u);
}

TEST(TrainingThreads, GoOverEveryPieceOnce) {
  for (const std::int64_t count : {1, 3}) {
    TrainingThreads threads(count);
    for (const std::int64_t size : {0, 1, 7, 100}) {
      std::vector<int> seen(static_cast<std::size_t>(size));
      const auto work = [&](std::int64_t begin, std::int64_t end) {
        EXPECT_EQ(begin % 8, 0);
        EXPECT_LE(end - begin, 8);
        for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
      };
      threads.over(size, 8, work);
      EXPECT_TRUE(threads.over_in_rounds(size, 8, {}, work));
      threads.each(size, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
      EXPECT_TRUE(std::ranges::all_of(seen, [](int times) { return times == 3; }));
    }
  }
}

TEST(TrainingThreads, ThrowWhatAPieceThrowsAndBeginNoOther) {
  TrainingThreads threads(2);
  std::atomic<int> begun = 0;
  EXPECT_THROW(threads.each(1000,
                            [&](std::int64_t) {
                              ++begun;
                              throw std::runtime_error("no");
                            }),
               std::runtime_error);
  EXPECT_LE(begun, 2);
}

TEST(TrainingThreads, TellBetweenRoundsHowFarTheyAreAndEndWhenTold) {
  TrainingThreads threads(2);
  std::vector<double> told;
  std::atomic<std::int64_t> done = 0;
  const auto work = [&](std::int64_t begin, std::int64_t end) { done += end - begin; };
  const auto tell = [&](double share) -> Result<void> {
    told.push_back(share);
    EXPECT_EQ(share, static_cast<double>(done) / 1000);
    if (told.size() < 3) return {};
    return fail(ErrorCode::kCancelled, "enough");
  };
  const auto ended = threads.over_in_rounds(1000, 10, tell, work);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(std::ranges::is_sorted(told));
  EXPECT_LT(done, 500);
}

TEST(StepWithin, IsThePartOfAWhole) {
  double told = 0;
  const WorkStep step = step_within(
      [&](double done) -> Result<void> {
        told = done;
        return {};
      },
      0.5, 0.75);
  ASSERT_TRUE(step(0.5));
  EXPECT_EQ(told, 0.625);
  EXPECT_FALSE(step_within({}, 0, 1));
}

// Processors compute many times slower with numbers that small, and weights do decay to them.
TEST(TrainingThreads, SubnormalNumbersAreZerosThereAndOnlyThere) {
  const volatile float tiny = 1e-30f;
  const auto product = [&] { return tiny * 1e-10f; };
  TrainingThreads threads(2);
  std::vector<float> products(1000, 1.0f);
  threads.over(1000, 1, [&](std::int64_t i, std::int64_t) {
    products[static_cast<std::size_t>(i)] = product();
  });
  EXPECT_THAT(products, ::testing::Each(0.0f));
  EXPECT_NE(product(), 0.0f);
}

}  // namespace
}  // namespace rapport::retrieval
