#include "rapport/retrieval/standard_scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "rapport/base/random.h"

namespace rapport::retrieval {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_scores(std::size_t items, std::uint64_t seed) {
  base::SplitMix64 random(seed);
  std::vector<float> scores(items);
  for (float& score : scores) score = static_cast<float>(random.next() >> 40) * 0x1p-20f - 9.0f;
  return scores;
}

TEST(StandardScores, AreDampedDeviationsFromTheMeanOfWhatWasNotSeen) {
  for (const std::size_t items : {2u, 15u, 16u, 17u, 100u, 1000u}) {
    std::vector<float> scores = random_scores(items, items);
    const std::vector<float> before = scores;
    std::vector<data::ItemIndex> seen;
    for (std::size_t item = 0; item + 2 < items; item += 3)
      seen.push_back(static_cast<data::ItemIndex>(item));

    double sum = 0, squares = 0, count = 0;
    for (std::size_t item = 0; item < items; ++item) {
      if (std::ranges::binary_search(seen, static_cast<data::ItemIndex>(item))) continue;
      sum += static_cast<double>(scores[item]);
      count += 1;
    }
    for (std::size_t item = 0; item < items; ++item) {
      if (std::ranges::binary_search(seen, static_cast<data::ItemIndex>(item))) continue;
      squares += std::pow(static_cast<double>(scores[item]) - sum / count, 2);
    }

    const auto scale = standard_scale(scores, seen);
    ASSERT_TRUE(scale) << items;
    EXPECT_EQ(scores, before) << "left as they were";
    EXPECT_NEAR(scale->mean, sum / count, 1e-5);
    EXPECT_NEAR(scale->inverse, 1 / std::sqrt(squares / count), 1e-4);
    std::vector<float> total(items, 1.0f);
    add_damped(scores, *scale, 0.5f, total);
    for (std::size_t item = 0; item < items; ++item) {
      const double z =
          (static_cast<double>(scores[item]) - sum / count) / std::sqrt(squares / count);
      const double damped = (z < 0 ? -1 : 1) * (std::sqrt(1 + std::abs(z)) - 1);
      EXPECT_NEAR(total[item], 1 + 0.5 * damped, 1e-4);
    }
  }
}

TEST(StandardScores, DoNotDependOnWhatWasSeen) {
  std::vector<float> scores = random_scores(40, 1);
  const std::vector<data::ItemIndex> seen = {0, 1, 17, 39};
  const auto scale = standard_scale(scores, seen);
  for (const float other : {0.0f, 1e30f, kInfinity, -kInfinity, kNone}) {
    for (const data::ItemIndex item : seen) scores[static_cast<std::size_t>(item)] = other;
    const auto again = standard_scale(scores, seen);
    ASSERT_TRUE(scale && again);
    EXPECT_EQ(scale->mean, again->mean);
    EXPECT_EQ(scale->inverse, again->inverse);
  }
}

TEST(StandardScores, AreNoneWhereNoItemIsToldFromAnother) {
  const auto scale = [](std::vector<float> scores, const std::vector<data::ItemIndex>& seen = {}) {
    return standard_scale(scores, seen).has_value();
  };
  EXPECT_TRUE(scale({1, 2}));
  EXPECT_TRUE(scale({0, 0, 1e-30f})) << "small is not equal";
  EXPECT_FALSE(scale({0, 0, 1e-40f})) << "its inverse is no number";
  EXPECT_FALSE(scale({-3e38f, 0, 3e38f})) << "a difference is no number";
  EXPECT_FALSE(scale({0.1f, 0.1f, 0.1f}));
  EXPECT_FALSE(scale({1e6f, 1e6f, std::nextafter(1e6f, 2e6f)})) << "but for rounding";
  EXPECT_FALSE(scale({1, 2, 3}, {0, 1})) << "one item left";
  EXPECT_FALSE(scale({1, 2, 3}, {0, 1, 2}));
  EXPECT_FALSE(scale({}));
  EXPECT_FALSE(scale({1, 2, kNone}));
  EXPECT_FALSE(scale({kNone, 2, 1}));
  EXPECT_FALSE(scale({1, 2, kInfinity}));
  EXPECT_FALSE(scale({-kInfinity, 1, 2}));
}

}  // namespace
}  // namespace rapport::retrieval
