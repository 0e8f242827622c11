#include "rapport/base/in_parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace rapport::base {
namespace {

TEST(InParallel, DoesEachRoundOnceEvenWhereTheQueueIsFull) {
  ThreadPool pool("work", 2, 1);
  std::vector<std::atomic<int>> runs(200);
  in_parallel(pool, runs.size(), [&](std::size_t i) { ++runs[i]; });
  for (const auto& count : runs) EXPECT_EQ(count, 1);
}

TEST(InParallel, ThrowsWhatWasThrownOnceTheOthersAreDone) {
  ThreadPool pool("work", 2, 4);
  std::atomic<int> done{0};
  EXPECT_THROW(in_parallel(pool, 20,
                           [&](std::size_t i) {
                             ++done;
                             if (i == 7) throw std::runtime_error("seven");
                           }),
               std::runtime_error);
  EXPECT_EQ(done, 20);
}

}  // namespace
}  // namespace rapport::base
