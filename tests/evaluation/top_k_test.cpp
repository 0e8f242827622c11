#include "rapport/evaluation/top_k.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <limits>

namespace rapport::evaluation {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMasked = -kInfinity;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct TopCase {
  const char* behaviour;
  std::vector<float> scores;
  std::int64_t k;
  std::vector<data::ItemIndex> best;
};

TEST(TopK, GivesTheBestFirst) {
  const TopCase cases[] = {
      {"the highest", {0.1f, 0.9f, 0.5f}, 2, {1, 2}},
      {"among equals the lower number", {0.5f, 0.9f, 0.5f, 0.5f}, 3, {1, 0, 2}},
      {"no more than there are", {0.1f, 0.2f}, 5, {1, 0}},
      {"never what is masked", {kMasked, 0.2f, kMasked}, 3, {1}},
      {"never what is not a number", {kNaN, -5.0f, kNaN}, 2, {1}},
      {"infinity is a score", {1.0f, kInfinity}, 1, {1}},
      {"none of none", {}, 3, {}},
      {"none when none are wanted", {1.0f}, 0, {}},
      {"none when all are masked", {kMasked, kNaN}, 2, {}},
  };
  std::vector<data::ItemIndex> best = {7, 7, 7};
  for (const TopCase& c : cases) {
    top_k(c.scores, c.k, best);
    EXPECT_EQ(best, c.best) << c.behaviour;
  }
}

RC_GTEST_PROP(TopK, IsTheHeadOfTheWholeListSorted, ()) {
  // Few different scores make many ties; more of them than candidates that are gathered at once.
  const auto length = *rc::gen::inRange<std::size_t>(0, 900);
  const auto k = *rc::gen::inRange<std::int64_t>(0, 120);
  const auto range = *rc::gen::element(2, 30, 100'000);
  const auto drawn = *rc::gen::container<std::vector<int>>(length, rc::gen::inRange(0, range));
  std::vector<float> scores(drawn.begin(), drawn.end());
  std::vector<data::ItemIndex> sorted;
  for (std::size_t item = 0; item < length; ++item) {
    if (drawn[item] % 7 == 1) scores[item] = item % 2 == 0 ? kMasked : kNaN;
    if (scores[item] > kMasked) sorted.push_back(static_cast<data::ItemIndex>(item));
  }
  const auto score = [&](data::ItemIndex item) { return scores[static_cast<std::size_t>(item)]; };
  std::ranges::stable_sort(sorted, std::greater{}, score);
  sorted.resize(std::min(sorted.size(), static_cast<std::size_t>(k)));
  std::vector<data::ItemIndex> best;
  top_k(scores, k, best);
  RC_ASSERT(best == sorted);
}

TEST(TopK, FindsThemWhenEachScoreIsHigherThanTheLast) {
  // The worst case for a bar that only rises: every score is above it.
  std::vector<float> scores(10'000);
  for (std::size_t item = 0; item < scores.size(); ++item) scores[item] = static_cast<float>(item);
  std::vector<data::ItemIndex> best;
  top_k(scores, 3, best);
  EXPECT_THAT(best, ::testing::ElementsAre(9'999, 9'998, 9'997));
}

}  // namespace
}  // namespace rapport::evaluation
