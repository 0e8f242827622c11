#include "rapport/statistics/summary.h"

#include <gtest/gtest.h>

#include <cmath>

namespace rapport::statistics {
namespace {

TEST(Summary, AgreesWithFiguresWorkedOutByHand) {
  // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, squares around it 32, divided by 7.
  const Summary summary = summarize(std::vector<double>{2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_EQ(summary.count, 8);
  EXPECT_DOUBLE_EQ(summary.mean, 5);
  EXPECT_DOUBLE_EQ(summary.deviation, std::sqrt(32.0 / 7));
}

TEST(Summary, KeepsItsDigitsFarFromZero) {
  // The textbook case of a one-pass formula that cancels to nonsense.
  const Summary summary = summarize(std::vector<double>{1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16});
  EXPECT_DOUBLE_EQ(summary.mean, 1e9 + 10);
  EXPECT_DOUBLE_EQ(summary.deviation, std::sqrt(30.0));
}

TEST(Summary, OfOneValueHasNoDeviationAndOfNoneIsZero) {
  const Summary one = summarize(std::vector<double>{3});
  EXPECT_EQ(one.mean, 3);
  EXPECT_EQ(one.deviation, 0);
  const Summary none = summarize({});
  EXPECT_EQ(none.count, 0);
  EXPECT_EQ(none.mean, 0);
}

TEST(Summary, ShowsANaNInsteadOfHidingIt) {
  EXPECT_TRUE(std::isnan(summarize(std::vector<double>{1, std::nan("")}).mean));
}

TEST(WeightedMean, CountsAUserAsManyTimesAsItsWeightSays) {
  const std::vector<double> values = {1, 0, 0};
  EXPECT_DOUBLE_EQ(weighted_mean(values, {}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(weighted_mean(values, std::vector<double>{2, 1, 1}), 0.5);
  EXPECT_EQ(weighted_mean(values, std::vector<double>{0, 0, 0}), 0);
}

TEST(PlusMinus, ReadsAsInAPaper) {
  EXPECT_EQ(plus_minus({.count = 5, .mean = 0.18196, .deviation = 0.00143}, 4), "0.1820 ± 0.0014");
}

}  // namespace
}  // namespace rapport::statistics
