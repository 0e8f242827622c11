#include "rapport/evaluation/groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/made_up_data.h"

namespace rapport::evaluation {
namespace {

using rapport::testing::made_up_dataset;

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::vector<data::ItemIndex>> histories_of_lengths(const std::vector<int>& lengths) {
  std::vector<std::vector<data::ItemIndex>> histories;
  for (const int length : lengths) {
    histories.emplace_back();
    for (data::ItemIndex item = 0; item < length; ++item) histories.back().push_back(item);
  }
  return histories;
}

std::vector<std::string> groups(const data::Dataset& dataset, std::string_view by) {
  const auto of_user = groups_of_users(dataset, by);
  EXPECT_TRUE(of_user) << of_user.error().message;
  return of_user.value_or(std::vector<std::string>{});
}

TEST(GroupsOfUsers, AreWhatTheSourceSaysOfThem) {
  const data::Dataset dataset =
      made_up_dataset(histories_of_lengths({3, 3, 3}), 3, {},
                      {{.age_band = "18-24", .gender = "F", .occupation = "writer"},
                       {.gender = "M", .region = "9"}});
  EXPECT_THAT(groups(dataset, "gender"), ElementsAre("F", "M", "unknown"));
  EXPECT_THAT(groups(dataset, "age_band"), ElementsAre("18-24", "unknown", "unknown"));
  EXPECT_THAT(groups(dataset, "occupation"), ElementsAre("writer", "unknown", "unknown"));
  EXPECT_THAT(groups(dataset, "region"), ElementsAre("unknown", "9", "unknown"));
}

struct ActivityCase {
  const char* behaviour;
  std::vector<int> lengths;
  std::vector<std::string> groups;
};

TEST(GroupsOfUsers, ByActivityAreQuarters) {
  const ActivityCase cases[] = {
      {"two users a quarter, in any order",
       {16, 2, 4, 6, 8, 10, 12, 14},
       {"14-16 interactions", "2-4 interactions", "2-4 interactions", "6-8 interactions",
        "6-8 interactions", "10-12 interactions", "10-12 interactions", "14-16 interactions"}},
      {"users of equal count stay together",
       {5, 9, 5, 5, 5, 9},
       {"5 interactions", "9 interactions", "5 interactions", "5 interactions", "5 interactions",
        "9 interactions"}},
      {"all alike are one group", {4, 4}, {"4 interactions", "4 interactions"}},
  };
  for (const ActivityCase& c : cases) {
    const data::Dataset dataset = made_up_dataset(histories_of_lengths(c.lengths), 20);
    EXPECT_EQ(groups(dataset, "activity"), c.groups) << c.behaviour;
  }
}

TEST(GroupsOfUsers, RefuseWhatTheyCannotTell) {
  const data::Dataset dataset = made_up_dataset(histories_of_lengths({3}), 3);
  const auto unknown_word = groups_of_users(dataset, "sex");
  ASSERT_FALSE(unknown_word);
  EXPECT_THAT(unknown_word.error().message, HasSubstr("gender, age_band"));
  const auto nothing_said = groups_of_users(dataset, "gender");
  ASSERT_FALSE(nothing_said);
  EXPECT_THAT(nothing_said.error().message, HasSubstr("--users"));
}

FullRanking ranking_of(const std::vector<std::int64_t>& ranks) {
  FullRanking ranking;
  for (const std::int64_t rank : ranks) {
    const auto user = static_cast<data::UserIndex>(ranking.users.size());
    ranking.users.push_back({.user = user, .rank = rank});
  }
  return ranking;
}

TEST(GroupResults, HaveTheMetricsOfEachGroupAndTheGap) {
  const auto results =
      group_results(ranking_of({0, 50, 0, 0}), "age_band", {"25-34", "5-17", "25-34", "5-17"},
                    {.min_users = 2, .bootstrap = {.resamples = 50}});
  ASSERT_TRUE(results) << results.error().message;
  ASSERT_EQ(results->groups.size(), 2u);
  EXPECT_EQ(results->groups[0].name, "5-17") << "as people count, not as bytes compare";
  EXPECT_EQ(results->groups[0].metrics.mean(hit_rate_at(10)), 0.5);
  EXPECT_EQ(results->groups[1].metrics.mean(hit_rate_at(10)), 1);
  const auto gap = std::ranges::find(results->gaps, hit_rate_at(10), &Gap::metric);
  ASSERT_NE(gap, results->gaps.end());
  EXPECT_EQ(gap->best, "25-34");
  EXPECT_EQ(gap->worst, "5-17");
  EXPECT_EQ(gap->difference, 0.5);
}

TEST(GroupResults, AGroupOfFewIsShownButMakesNoGap) {
  const auto results = group_results(ranking_of({0, 1, 50}), "gender", {"F", "F", "M"},
                                     {.min_users = 2, .bootstrap = {.resamples = 50}});
  ASSERT_TRUE(results);
  EXPECT_EQ(results->groups.size(), 2u);
  EXPECT_TRUE(results->gaps.empty());
}

TEST(GroupResults, TogetherAreAllUsers) {
  const FullRanking ranking = ranking_of({0, 3, 7, 12, 30, 2});
  const auto results = group_results(ranking, "region", {"1", "2", "1", "3", "2", "1"},
                                     {.bootstrap = {.resamples = 10}});
  ASSERT_TRUE(results);
  for (const Metric& metric : reported_metrics()) {
    double sum = 0;
    for (const GroupResult& group : results->groups)
      sum += group.metrics.mean(metric) * group.metrics.weight();
    EXPECT_NEAR(sum / 6, ranking.metrics().mean(metric), 1e-12) << metric.name();
  }
}

}  // namespace
}  // namespace rapport::evaluation
