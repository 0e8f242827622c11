#include "rapport/base/in_parallel.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <stdexcept>
#include <thread>
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

TEST(ThreadCount, IsLimitedWhereNobodyAsksForANumber) {
  limit_threads(1);
  EXPECT_EQ(thread_count(0), 1U);
  EXPECT_EQ(thread_count(3), 3U);
  limit_threads(0);
  EXPECT_GE(thread_count(0), 1U);
}

TEST(ThreadCount, IsWhatWasAskedOrTheCoresThatTheProcessMayUse) {
  EXPECT_EQ(thread_count(3), 3U);
  EXPECT_GE(thread_count(0), 1U);
  // Of a thread of its own, so that the others keep their cores.
  std::thread([] {
    cpu_set_t permitted, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof(permitted), &permitted), 0);
    CPU_ZERO(&one);
    for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core)
      if (CPU_ISSET(core, &permitted)) CPU_SET(core, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    EXPECT_EQ(thread_count(0), 1U);
    EXPECT_EQ(thread_count(-1), 1U);
  }).join();
}

}  // namespace
}  // namespace rapport::base
