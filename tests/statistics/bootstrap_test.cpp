#include "rapport/statistics/bootstrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <cmath>
#include <limits>

#include "rapport/base/random.h"

namespace rapport::statistics {
namespace {

using ::testing::HasSubstr;

// `share` of `users` are ones.
std::vector<double> hits(std::int64_t users, double share) {
  std::vector<double> values(static_cast<std::size_t>(users), 0.0);
  const auto ones = static_cast<std::ptrdiff_t>(std::lround(static_cast<double>(users) * share));
  std::fill(values.begin(), values.begin() + ones, 1.0);
  return values;
}

TEST(Bootstrap, AgreesWithTheNormalIntervalWhereThatIsRight) {
  // 10,000 users of whom 30 % hit: the standard error is sqrt(.3 × .7 / 10,000) = 0.00458.
  const auto interval = bootstrap_mean(hits(10'000, 0.3), {}, {.resamples = 4'000});
  ASSERT_TRUE(interval) << interval.error().message;
  EXPECT_DOUBLE_EQ(interval->estimate, 0.3);
  EXPECT_NEAR(interval->low, 0.3 - 1.96 * 0.00458, 0.0004);
  EXPECT_NEAR(interval->high, 0.3 + 1.96 * 0.00458, 0.0004);
}

TEST(Bootstrap, HasTheExactPercentilesOfATinySample) {
  // Two users, 0 and 1: a replicate is 0, ½ or 1 with probability ¼, ½, ¼.
  const std::vector<double> values = {0, 1};
  const auto wide = bootstrap_mean(values, {}, {.resamples = 2'000, .confidence = 0.9});
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->low, 0);
  EXPECT_EQ(wide->high, 1);
  const auto narrow = bootstrap_mean(values, {}, {.resamples = 2'000, .confidence = 0.4});
  ASSERT_TRUE(narrow);
  EXPECT_EQ(narrow->low, 0.5);
  EXPECT_EQ(narrow->high, 0.5);
}

TEST(Bootstrap, CoversTheTruthAsOftenAsItClaims) {
  // 400 experiments of 80 users each, of whom a third hits on average; the interval of each must
  // hold the true share in 95 % of them (a little less: 80 users are few for percentiles).
  constexpr int kExperiments = 400;
  constexpr double kTruth = 1.0 / 3;
  base::SplitMix64 random(7);
  int covered = 0;
  for (int experiment = 0; experiment < kExperiments; ++experiment) {
    std::vector<double> values(80);
    for (double& value : values)
      value = static_cast<double>(random.next() >> 11) * 0x1p-53 < kTruth ? 1 : 0;
    const auto interval = bootstrap_mean(
        values, {}, {.resamples = 500, .seed = static_cast<std::uint64_t>(experiment)});
    ASSERT_TRUE(interval);
    covered += interval->low <= kTruth && kTruth <= interval->high ? 1 : 0;
  }
  const double share = static_cast<double>(covered) / kExperiments;
  EXPECT_GE(share, 0.92);
  EXPECT_LE(share, 0.97);
}

TEST(Bootstrap, OfPairsCancelsWhatIsHardForBoth) {
  // Ours is better by 0.01 for everybody, though users differ by far more than that.
  std::vector<double> ours, theirs;
  base::SplitMix64 random(3);
  for (int user = 0; user < 200; ++user) {
    theirs.push_back(static_cast<double>(random.next() >> 11) * 0x1p-53);
    ours.push_back(theirs.back() + 0.01);
  }
  const auto paired = bootstrap_paired_difference(ours, theirs, {}, {.resamples = 500});
  ASSERT_TRUE(paired);
  EXPECT_NEAR(paired->estimate, 0.01, 1e-12);
  EXPECT_NEAR(paired->low, 0.01, 1e-12);
  EXPECT_NEAR(paired->high, 0.01, 1e-12);
  const auto alone = bootstrap_mean(ours, {}, {.resamples = 500});
  ASSERT_TRUE(alone);
  EXPECT_GT(alone->high - alone->low, 0.05);
}

TEST(Bootstrap, ReversingAPairReversesTheInterval) {
  const std::vector<double> ours = hits(50, 0.4), theirs = hits(50, 0.2);
  const auto gain = bootstrap_paired_difference(ours, theirs, {}, {.resamples = 999});
  const auto loss = bootstrap_paired_difference(theirs, ours, {}, {.resamples = 999});
  ASSERT_TRUE(gain && loss);
  EXPECT_NEAR(gain->low, -loss->high, 1e-12);
  EXPECT_NEAR(gain->high, -loss->low, 1e-12);
}

TEST(Bootstrap, IsTheSameForTheSameSeedAndAnotherForAnother) {
  std::vector<double> values;
  for (int user = 0; user < 101; ++user) values.push_back(std::sqrt(user));
  const auto first = bootstrap_mean(values, {}, {.resamples = 300, .seed = 5});
  const auto again = bootstrap_mean(values, {}, {.resamples = 300, .seed = 5});
  const auto other = bootstrap_mean(values, {}, {.resamples = 300, .seed = 6});
  ASSERT_TRUE(first && again && other);
  EXPECT_EQ(first->low, again->low);
  EXPECT_EQ(first->high, again->high);
  EXPECT_TRUE(first->low != other->low || first->high != other->high);
}

TEST(Bootstrap, EachColumnIsAsIfItWereAlone) {
  const std::vector<std::vector<double>> columns = {hits(60, 0.3), hits(60, 0.5)};
  const auto together = bootstrap_means(columns, {}, {.resamples = 200});
  ASSERT_TRUE(together);
  for (std::size_t column = 0; column < columns.size(); ++column) {
    const auto alone = bootstrap_mean(columns[column], {}, {.resamples = 200});
    ASSERT_TRUE(alone);
    EXPECT_EQ(together->at(column).low, alone->low);
    EXPECT_EQ(together->at(column).high, alone->high);
  }
}

TEST(Bootstrap, WeightsMoveTheEstimateAndWidenTheInterval) {
  // A third of the users stand for ten each: fewer effective users, so a wider interval.
  const std::vector<double> values = hits(90, 0.5);
  std::vector<double> weights(90, 1.0);
  for (std::size_t user = 0; user < 90; user += 3) weights[user] = 10;
  const auto plain = bootstrap_mean(values, {}, {.resamples = 2'000});
  const auto weighted = bootstrap_mean(values, weights, {.resamples = 2'000});
  ASSERT_TRUE(plain && weighted);
  EXPECT_GT(weighted->high - weighted->low, 1.2 * (plain->high - plain->low));
  weights.assign(90, 0.0);
  for (std::size_t user = 0; user < 90; ++user) weights[user] = values[user] > 0 ? 3 : 1;
  const auto heavier = bootstrap_mean(values, weights, {.resamples = 10});
  ASSERT_TRUE(heavier);
  EXPECT_DOUBLE_EQ(heavier->estimate, 0.75);
}

RC_GTEST_PROP(Bootstrap, KeepsTheIntervalWithinTheValues, (std::vector<std::int8_t> drawn)) {
  RC_PRE(!drawn.empty());
  const std::vector<double> values(drawn.begin(), drawn.end());
  const auto interval = bootstrap_mean(values, {}, {.resamples = 20});
  RC_ASSERT(interval.has_value());
  const auto [least, most] = std::ranges::minmax(values);
  RC_ASSERT(least <= interval->low && interval->low <= interval->high && interval->high <= most);
}

struct Refusal {
  const char* what;
  std::vector<std::vector<double>> columns;
  std::vector<double> weights;
  BootstrapOptions options;
  const char* sentence;
};

TEST(Bootstrap, RefusesWhatHasNoMean) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Refusal cases[] = {
      {"no column", {}, {}, {}, "no users"},
      {"no users", {{}}, {}, {}, "no users"},
      {"columns of different length", {{1, 2}, {1}}, {}, {}, "one column has 2 users, another 1"},
      {"a NaN", {{1, std::nan("")}}, {}, {}, "the value of user 1 is nan"},
      {"an infinite value", {{infinity}}, {}, {}, "the value of user 0 is inf"},
      {"too few weights", {{1, 2}}, {1}, {}, "1 weights for 2 users"},
      {"a weight of zero", {{1, 2}}, {1, 0}, {}, "the weight of user 1 is 0"},
      {"no resamples", {{1}}, {}, {.resamples = 0}, "0 resamples"},
      {"a confidence of 95", {{1}}, {}, {.confidence = 95}, "between 0 and 1"},
  };
  for (const Refusal& c : cases) {
    const auto refused = bootstrap_means(c.columns, c.weights, c.options);
    ASSERT_FALSE(refused) << c.what;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument) << c.what;
    EXPECT_THAT(refused.error().message, HasSubstr(c.sentence)) << c.what;
  }
  EXPECT_FALSE(bootstrap_paired_difference(std::vector<double>{1, 2}, std::vector<double>{1}));
}

TEST(Quantile, IsLinearBetweenNeighbours) {
  const std::vector<double> sorted = {1, 2, 4, 8};
  EXPECT_DOUBLE_EQ(quantile(sorted, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(sorted, 1), 8);
  EXPECT_DOUBLE_EQ(quantile(sorted, 0.5), 3);    // as numpy.quantile
  EXPECT_DOUBLE_EQ(quantile(sorted, 0.9), 6.8);  // as numpy.quantile
  EXPECT_DOUBLE_EQ(quantile(std::vector<double>{5}, 0.3), 5);
}

}  // namespace
}  // namespace rapport::statistics
