#include "rapport/server/rate_limit.h"

#include <gtest/gtest.h>

namespace rapport::server {
namespace {

using std::chrono::seconds;

TEST(RateLimit, LetsABurstThroughThenTheRate) {
  base::ManualClock clock;
  RateLimit limit(/*per_minute=*/30, /*burst=*/3, clock);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limit.refuse("sam")) << i;
  EXPECT_EQ(limit.refuse("sam"), seconds(2)) << "30 a minute is one in 2 s";
  EXPECT_FALSE(limit.refuse("kim")) << "each has a bucket of their own";
  clock.advance(seconds(1));
  EXPECT_EQ(limit.refuse("sam"), seconds(1));
  clock.advance(seconds(1));
  EXPECT_FALSE(limit.refuse("sam"));
  EXPECT_TRUE(limit.refuse("sam"));
  clock.advance(seconds(3600));
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(limit.refuse("sam")) << "no more than the burst is saved";
  EXPECT_TRUE(limit.refuse("sam"));
}

TEST(RateLimit, ZeroNeverRefuses) {
  base::ManualClock clock;
  RateLimit limit(0, 1, clock);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(limit.refuse("sam"));
}

TEST(RateLimit, ForgetsFullBucketsAndNoOthers) {
  base::ManualClock clock;
  RateLimit limit(60, 2, clock);
  for (int i = 0; i < 9'999; ++i) limit.refuse("address " + std::to_string(i));
  clock.advance(seconds(10));  // all are full again
  limit.refuse("sam");
  limit.refuse("sam");
  limit.refuse("one more");  // makes room
  EXPECT_TRUE(limit.refuse("sam"));
}

}  // namespace
}  // namespace rapport::server
