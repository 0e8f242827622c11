#include "rapport/evaluation/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rapport::evaluation {
namespace {

using ::testing::HasSubstr;

FullRanking ranking_of(const std::vector<std::int64_t>& ranks) {
  FullRanking ranking;
  for (const std::int64_t rank : ranks) {
    const auto user = static_cast<data::UserIndex>(ranking.users.size());
    ranking.users.push_back({.user = user, .rank = rank});
  }
  return ranking;
}

TEST(Estimate, IsTheMeanWithItsInterval) {
  const auto estimates =
      estimate(ranking_of({0, 1, 20, 20}).metrics(), reported_metrics(), {.resamples = 500});
  ASSERT_TRUE(estimates) << estimates.error().message;
  ASSERT_EQ(estimates->size(), reported_metrics().size());
  for (const Estimate& each : *estimates) {
    EXPECT_LE(each.interval.low, each.interval.estimate);
    EXPECT_GE(each.interval.high, each.interval.estimate);
  }
  EXPECT_EQ(estimates->at(1).metric, hit_rate_at(10));
  EXPECT_DOUBLE_EQ(estimates->at(1).interval.estimate, 0.5);
}

TEST(Comparison, SaysByHowMuchOursIsBetterUserByUser) {
  // Ours puts each item just inside the top ten, theirs just outside: the users agree, so the
  // difference is certain, though the ranks hardly differ.
  const Metric wanted[] = {hit_rate_at(10), hit_rate_at(20)};
  const auto differences = compare(ranking_of({9, 9, 9}), ranking_of({10, 10, 10}), wanted, {});
  ASSERT_TRUE(differences) << differences.error().message;
  EXPECT_EQ(differences->at(0).interval.estimate, 1);
  EXPECT_EQ(differences->at(0).interval.low, 1);
  EXPECT_EQ(differences->at(1).interval.estimate, 0);
  EXPECT_EQ(differences->at(1).interval.high, 0);
}

TEST(Comparison, IsUndecidedWhereUsersDisagree) {
  const Metric wanted[] = {hit_rate_at(10)};
  const auto differences =
      compare(ranking_of({0, 50, 0, 50, 0}), ranking_of({50, 0, 50, 0, 0}), wanted, {});
  ASSERT_TRUE(differences);
  EXPECT_LT(differences->front().interval.low, 0);
  EXPECT_GT(differences->front().interval.high, 0);
}

TEST(Comparison, WeighsUsersAsTheirSampleSays) {
  FullRanking ours = ranking_of({0, 50}), theirs = ranking_of({50, 0});
  ours.users[0].weight = theirs.users[0].weight = 3;
  const Metric wanted[] = {hit_rate_at(10)};
  const auto differences = compare(ours, theirs, wanted, {.resamples = 10});
  ASSERT_TRUE(differences);
  EXPECT_DOUBLE_EQ(differences->front().interval.estimate, (3.0 - 1) / 4);
}

TEST(Comparison, RefusesOtherUsers) {
  FullRanking other = ranking_of({1, 2});
  other.users[1].user = 7;
  for (const FullRanking& theirs : {other, ranking_of({1}), ranking_of({})}) {
    const auto refused = compare(ranking_of({1, 2}), theirs, reported_metrics(), {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message, HasSubstr("different users"));
  }
}

}  // namespace
}  // namespace rapport::evaluation
