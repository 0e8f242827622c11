#include "rapport/base/clock.h"

#include <gtest/gtest.h>

namespace rapport::base {
namespace {

using std::chrono::milliseconds;

TEST(Iso8601, WritesUtcWithMilliseconds) {
  struct Case {
    UnixMillis time;
    const char* text;
  };
  for (const Case& c : {
           Case{0, "1970-01-01T00:00:00.000Z"},
           Case{1'700'000'000'123, "2023-11-14T22:13:20.123Z"},
           Case{1'709'210'096'007, "2024-02-29T12:34:56.007Z"},
           Case{-1, "1969-12-31T23:59:59.999Z"},
           Case{253'402'300'799'999, "9999-12-31T23:59:59.999Z"},
       }) {
    EXPECT_EQ(iso8601(c.time), c.text);
  }
}

TEST(ManualClock, MovesBothTimesOnlyWhenTold) {
  ManualClock clock(1000);
  const auto steady = clock.steady();
  EXPECT_EQ(clock.now(), 1000);
  EXPECT_EQ(clock.steady(), steady);
  clock.advance(milliseconds{250});
  EXPECT_EQ(clock.now(), 1250);
  EXPECT_EQ(clock.steady() - steady, milliseconds{250});
}

TEST(SystemClock, IsTheSystems) {
  const SystemClock clock;
  const auto system_now = [] {
    return std::chrono::duration_cast<milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  const auto before = system_now();
  const auto steady_before = std::chrono::steady_clock::now();
  const auto now = clock.now();
  const auto steady = clock.steady();
  EXPECT_LE(before, now);
  EXPECT_LE(now, system_now());
  EXPECT_LE(steady_before, steady);
  EXPECT_LE(steady, std::chrono::steady_clock::now());
}

}  // namespace
}  // namespace rapport::base
