#include "rapport/language/embedded_threads.h"

#include <gtest/gtest.h>

namespace rapport::language {
namespace {

constexpr double kStep = 0.01;

void calm(ThreadCount& threads, int times) {
  for (int i = 0; i < times; ++i) threads.observe(kStep, kStep);
}
void crowded(ThreadCount& threads) {
  threads.observe(kStep, 0.5 * kStep);
}

TEST(ThreadCount, StartsWithAllAndKeepsThemWhileTheyAreOnAProcessor) {
  ThreadCount threads(8);
  calm(threads, 5000);
  EXPECT_EQ(threads.now(), 8);
}

TEST(ThreadCount, HalvesDownToOneInACrowd) {
  ThreadCount threads(8);
  for (const std::int32_t expected : {4, 2, 1, 1}) {
    crowded(threads);
    EXPECT_EQ(threads.now(), expected);
  }
}

TEST(ThreadCount, ComesBackWhenTheCrowdIsGone) {
  ThreadCount threads(2);
  calm(threads, 1);
  crowded(threads);
  EXPECT_EQ(threads.now(), 1);
  calm(threads, ThreadCount::kLeastPatience - 1);
  EXPECT_EQ(threads.now(), 1);
  calm(threads, 1);
  EXPECT_EQ(threads.now(), 2);
}

TEST(ThreadCount, TriesMoreAndMoreSeldomWhileTheCrowdStays) {
  ThreadCount threads(2);
  int last = 0;
  for (int round = 0; round < 12; ++round) {
    while (threads.now() > 1) crowded(threads);
    int waited = 0;
    for (; threads.now() == 1; ++waited) threads.observe(kStep, kStep);
    EXPECT_GE(waited, last);
    EXPECT_LE(waited, ThreadCount::kMostPatience);
    last = waited;
  }
  EXPECT_EQ(last, ThreadCount::kMostPatience);
}

TEST(ThreadCount, JudgesNothingTooShortToTell) {
  ThreadCount threads(2);
  threads.observe(0.0005, 0);
  EXPECT_EQ(threads.now(), 2);
}

}  // namespace
}  // namespace rapport::language
