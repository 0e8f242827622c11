#include "rapport/base/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rapport::base {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

struct LineCase {
  const char* behaviour;
  std::int64_t done, total;
  double seconds;
  const char* line;
};

TEST(ProgressLine, TellsShareRateAndTimeLeft) {
  const LineCase cases[] = {
      {"the usual", 512, 4096, 5.5, "512/4096 (12.5%), 93.1 MiB/s, 39 s left"},
      {"at the start there is no rate", 0, 4096, 0, "0/4096 (0.0%)"},
      {"nothing yet", 0, 4096, 3, "0/4096 (0.0%)"},
      {"at the end nothing is left", 4096, 4096, 4, "4096/4096 (100.0%), 1024 MiB/s"},
      {"without a total", 300, 0, 2, "300, 150 MiB/s"},
      {"slow", 1, 3, 4, "1/3 (33.3%), 0.25 MiB/s, 8 s left"},
      {"minutes", 1, 10, 60, "1/10 (10.0%), 0.017 MiB/s, 9 min left"},
      {"hours", 1, 1000, 60, "1/1000 (0.1%), 0.017 MiB/s, 16 h 39 min left"},
      {"more than promised", 5, 4, 1, "5/4 (125.0%), 5.0 MiB/s"},
  };
  for (const LineCase& c : cases)
    EXPECT_EQ(progress_line(c.done, c.total, c.seconds, "MiB"), c.line) << c.behaviour;
}

/// What is printed while `work` runs.
template <typename Work>
std::string printed(Work work) {
  ::testing::internal::CaptureStderr();
  work();
  return ::testing::internal::GetCapturedStderr();
}

TEST(Progress, PrintsALineEveryFiveSecondsAndOneAtTheEnd) {
  ManualClock clock;
  const std::string text = printed([&] {
    Progress progress("reading", 100, "rows", clock, ProgressStyle::kLines);
    for (int i = 0; i < 100; ++i) {
      clock.advance(milliseconds{110});
      progress.advance(1);
    }
  });
  EXPECT_EQ(text,
            "reading: 46/100 (46.0%), 9.1 rows/s, 6 s left\n"
            "reading: 92/100 (92.0%), 9.1 rows/s, 1 s left\n"
            "reading: 100/100 (100.0%), 9.1 rows/s\n");
}

TEST(Progress, RedrawsABarAtMostTenTimesASecondAndEndsItsLine) {
  ManualClock clock;
  const std::string text = printed([&] {
    Progress progress("reading", 1000, "rows", clock, ProgressStyle::kBar);
    for (int i = 0; i < 1000; ++i) {
      clock.advance(milliseconds{1});
      progress.advance(1);
    }
  });
  EXPECT_EQ(std::ranges::count(text, '\r'), 11) << "ten in a second, and the last";
  EXPECT_THAT(text, HasSubstr("reading [############............] 500/1000 (50.0%), 1000 rows/s"));
  EXPECT_THAT(text, EndsWith("[########################] 1000/1000 (100.0%), 1000 rows/s\n"));
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
}

TEST(Progress, ABarWithoutATotalHasNoCells) {
  ManualClock clock;
  const std::string text = printed([&] {
    Progress progress("reading", 0, "rows", clock, ProgressStyle::kBar);
    clock.advance(seconds{1});
    progress.advance(5);
  });
  EXPECT_THAT(text, Not(HasSubstr("[#")));
  EXPECT_THAT(text, EndsWith("reading 5, 5.0 rows/s\n"));
}

TEST(Progress, QuietPrintsNothing) {
  ManualClock clock;
  EXPECT_EQ(printed([&] {
              Progress progress("reading", 10, "rows", clock, ProgressStyle::kQuiet);
              clock.advance(seconds{100});
              progress.advance(10);
            }),
            "");
}

}  // namespace
}  // namespace rapport::base
