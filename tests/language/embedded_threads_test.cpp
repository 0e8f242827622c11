#include "rapport/language/embedded_threads.h"

#include <gtest/gtest.h>

namespace rapport::language {
namespace {

constexpr double kStep = 0.01;  // seconds

void calm(ThreadCount& threads, double seconds) {
  for (double done = 0; done < seconds - kStep / 2; done += kStep) threads.observe(kStep, kStep);
}
/// As beside two compilers: a computation takes long, and half of it is spent waiting.
void crowded(ThreadCount& threads) {
  threads.observe(0.3, 0.15);
}

TEST(ThreadCount, StartsWithAllAndKeepsThemWhileTheyAreOnAProcessor) {
  ThreadCount threads(8);
  calm(threads, 50);
  EXPECT_EQ(threads.now(), 8);
}

TEST(ThreadCount, HalvesDownToOneInACrowd) {
  ThreadCount threads(8);
  for (const std::int32_t expected : {4, 2, 1, 1}) {
    crowded(threads);
    EXPECT_EQ(threads.now(), expected);
  }
}

TEST(ThreadCount, AnInterruptionNowAndThenIsNoCrowd) {
  ThreadCount threads(2);
  for (int round = 0; round < 100; ++round) {
    calm(threads, 0.1);
    threads.observe(0.02, 0.01);
    EXPECT_EQ(threads.now(), 2);
  }
}

TEST(ThreadCount, ManyShortWaitsAreACrowd) {
  ThreadCount threads(2);
  calm(threads, 1);
  for (int i = 0; i < 100 && threads.now() == 2; ++i) threads.observe(kStep, 0.5 * kStep);
  EXPECT_EQ(threads.now(), 1);
}

TEST(ThreadCount, ComesBackWhenTheCrowdIsGone) {
  ThreadCount threads(2);
  crowded(threads);
  EXPECT_EQ(threads.now(), 1);
  calm(threads, ThreadCount::kLeastPatience - 2 * kStep);
  EXPECT_EQ(threads.now(), 1);
  calm(threads, 3 * kStep);
  EXPECT_EQ(threads.now(), 2);
}

TEST(ThreadCount, StaysWithOneWhileTheCrowdStays) {
  ThreadCount threads(2);
  for (int i = 0; i < 1000; ++i) crowded(threads);
  EXPECT_EQ(threads.now(), 1);
}

TEST(ThreadCount, TriesMoreAndMoreSeldomWhileTryingFails) {
  ThreadCount threads(2);
  double last = 0;
  for (int round = 0; round < 12; ++round) {
    while (threads.now() > 1) threads.observe(0.1, 0.05);
    double waited = 0;
    for (; threads.now() == 1; waited += kStep) threads.observe(kStep, kStep);
    EXPECT_GE(waited, last);
    EXPECT_LE(waited, ThreadCount::kMostPatience + 2 * kStep);
    last = waited;
  }
  EXPECT_GT(last, ThreadCount::kMostPatience - 2 * kStep);
  calm(threads, ThreadCount::kMostPatience + 2 * kStep);  // a calm that lasts is believed
  crowded(threads);
  calm(threads, ThreadCount::kLeastPatience + 2 * kStep);
  EXPECT_EQ(threads.now(), 2);
}

TEST(ThreadCount, JudgesNothingTooShortToTell) {
  ThreadCount threads(2);
  threads.observe(0.0005, 0);
  EXPECT_EQ(threads.now(), 2);
}

}  // namespace
}  // namespace rapport::language
