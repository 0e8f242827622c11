#include "rapport/evaluation/groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rapport::evaluation {
namespace {

FullRanking ranking_of(const std::vector<std::int64_t>& ranks) {
  FullRanking ranking;
  for (const std::int64_t rank : ranks) {
    const auto user = static_cast<data::UserIndex>(ranking.users.size());
    ranking.users.push_back({.user = user, .rank = rank});
  }
  return ranking;
}

constexpr statistics::BootstrapOptions kQuick{.resamples = 50};

TEST(GroupResults, HaveTheMetricsOfEachGroupAndTheGap) {
  const auto results = group_results(ranking_of({0, 50, 0, 0}),
                                     {.names = {"18-24", "25-34"}, .group_of = {1, 0, 1, 0}},
                                     {.min_users = 2, .bootstrap = kQuick});
  ASSERT_TRUE(results) << results.error().message;
  ASSERT_EQ(results->groups.size(), 2u);
  EXPECT_EQ(results->groups[0].name, "18-24");
  EXPECT_EQ(results->groups[0].metrics.mean(hit_rate_at(10)), 0.5);
  EXPECT_EQ(results->groups[1].metrics.mean(hit_rate_at(10)), 1);
  const auto gap = std::ranges::find(results->gaps, hit_rate_at(10), &Gap::metric);
  ASSERT_NE(gap, results->gaps.end());
  EXPECT_EQ(gap->best, "25-34");
  EXPECT_EQ(gap->worst, "18-24");
  EXPECT_EQ(gap->difference, 0.5);
}

TEST(GroupResults, AGroupOfFewIsShownButMakesNoGap) {
  const auto results =
      group_results(ranking_of({0, 1, 50}), {.names = {"F", "M"}, .group_of = {0, 0, 1}},
                    {.min_users = 2, .bootstrap = kQuick});
  ASSERT_TRUE(results);
  EXPECT_EQ(results->groups.size(), 2u);
  EXPECT_TRUE(results->gaps.empty());
}

TEST(GroupResults, AGroupWithoutRankedUsersIsLeftOut) {
  // As in a sample that missed it.
  const auto results = group_results(
      ranking_of({0, 1}), {.names = {"F", "M"}, .group_of = {1, 1, 0}}, {.bootstrap = kQuick});
  ASSERT_TRUE(results) << results.error().message;
  ASSERT_EQ(results->groups.size(), 1u);
  EXPECT_EQ(results->groups[0].name, "M");
}

TEST(GroupResults, TogetherAreAllUsers) {
  FullRanking ranking = ranking_of({0, 3, 7, 12, 30, 2});
  ranking.users[1].weight = 4;
  const auto results = group_results(
      ranking, {.names = {"1", "2", "3"}, .group_of = {0, 1, 0, 2, 1, 0}}, {.bootstrap = kQuick});
  ASSERT_TRUE(results);
  for (const Metric& metric : reported_metrics()) {
    double sum = 0;
    for (const GroupResult& group : results->groups)
      sum += group.metrics.mean(metric) * group.metrics.weight();
    EXPECT_NEAR(sum / 9, ranking.metrics().mean(metric), 1e-12) << metric.name();
  }
}

}  // namespace
}  // namespace rapport::evaluation
