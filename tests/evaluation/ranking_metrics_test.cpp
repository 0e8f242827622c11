#include "rapport/evaluation/ranking_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <limits>

namespace rapport::evaluation {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct RankCase {
  const char* behaviour;
  std::vector<float> scores;
  data::ItemIndex target;
  std::int64_t rank;
};

TEST(RankAgainstTies, PutsTheTargetWhereTheLeastFavourableSortWould) {
  const RankCase cases[] = {
      {"the highest score comes first", {0.1f, 0.7f, 0.3f}, 1, 0},
      {"each higher one comes before", {0.9f, 0.7f, 0.8f, 0.1f}, 1, 2},
      {"a tie counts against the target", {0.5f, 0.5f, 0.1f}, 0, 1},
      {"wherever the equal one stands", {0.5f, 0.5f, 0.1f}, 1, 1},
      {"one score for all is last", {2, 2, 2, 2}, 2, 3},
      {"zero and minus zero are a tie", {0.0f, -0.0f}, 0, 1},
      {"masked items stay behind", {kMasked, 0.2f, kMasked}, 1, 0},
      {"a masked target is last", {0.3f, kMasked, kMasked}, 1, 2},
      {"another item's NaN does not help", {kNaN, 0.2f, 0.1f}, 1, 1},
      {"its own NaN is last", {0.3f, kNaN, 0.1f}, 1, 2},
      {"an only item is first", {kNaN}, 0, 0},
  };
  for (const RankCase& c : cases)
    EXPECT_EQ(rank_against_ties(c.scores, c.target), c.rank) << c.behaviour;
}

// The scores go through in blocks of 256: lengths around one and two of them, the target anywhere.
RC_GTEST_PROP(RankAgainstTies, CountsTheOthersThatAreNotBelow, ()) {
  const auto length = *rc::gen::element<std::size_t>(1, 2, 255, 256, 257, 511, 512, 513, 700);
  const auto drawn = *rc::gen::container<std::vector<int>>(length, rc::gen::inRange(0, 9));
  const auto target = *rc::gen::inRange<std::size_t>(0, length);
  std::int64_t before = 0;
  for (std::size_t item = 0; item < length; ++item)
    before += item != target && drawn[item] >= drawn[target] ? 1 : 0;
  const std::vector<float> scores(drawn.begin(), drawn.end());
  RC_ASSERT(rank_against_ties(scores, static_cast<data::ItemIndex>(target)) == before);
}

TEST(Metric, AgreesWithFiguresWorkedOutByHand) {
  EXPECT_EQ(hit_rate_at(10).of(9), 1);
  EXPECT_EQ(hit_rate_at(10).of(10), 0);
  EXPECT_EQ(ndcg_at(10).of(0), 1);
  EXPECT_NEAR(ndcg_at(10).of(1), 0.6309297536, 1e-10);  // 1 / log2(3)
  EXPECT_NEAR(ndcg_at(10).of(9), 0.2890648263, 1e-10);  // 1 / log2(11)
  EXPECT_EQ(ndcg_at(10).of(10), 0);
  EXPECT_EQ(reciprocal_rank_at().of(3), 0.25);
  EXPECT_EQ(reciprocal_rank_at(3).of(3), 0);
  EXPECT_DOUBLE_EQ(reciprocal_rank_at().of(12'100), 1.0 / 12'101);
}

TEST(Metric, IsNamedAsInTheLiterature) {
  std::vector<std::string> names;
  for (const Metric& metric : reported_metrics()) names.push_back(metric.name());
  EXPECT_THAT(names, ::testing::ElementsAre("hr@5", "hr@10", "hr@20", "hr@50", "ndcg@5", "ndcg@10",
                                            "ndcg@20", "ndcg@50", "mrr"));
  EXPECT_EQ(reciprocal_rank_at(10).name(), "mrr@10");
}

RC_GTEST_PROP(Metric, NeverRisesAsTheItemFallsAndNeverFallsAsThePlacesGrow, ()) {
  const auto rank = *rc::gen::inRange<std::int64_t>(0, 200);
  const auto k = *rc::gen::inRange<std::int64_t>(1, 200);
  for (const Metric::Kind kind :
       {Metric::Kind::kHitRate, Metric::Kind::kNdcg, Metric::Kind::kReciprocalRank}) {
    const Metric metric{kind, k}, wider{kind, k + 1};
    RC_ASSERT(metric.of(rank) >= metric.of(rank + 1));
    RC_ASSERT(metric.of(rank) <= wider.of(rank));
    RC_ASSERT(metric.of(rank) >= 0 && metric.of(rank) <= 1);
  }
}

TEST(RankingMetrics, IsTheMeanOverUsers) {
  RankingMetrics metrics;
  for (const std::int64_t rank : {0, 1, 9, 10}) metrics.add(rank);
  EXPECT_EQ(metrics.users(), 4);
  EXPECT_DOUBLE_EQ(metrics.mean(hit_rate_at(10)), 0.75);
  EXPECT_NEAR(metrics.mean(ndcg_at(10)), (1 + 0.6309297536 + 0.2890648263) / 4, 1e-10);
  EXPECT_NEAR(metrics.mean(reciprocal_rank_at()), (1 + 0.5 + 0.1 + 1.0 / 11) / 4, 1e-12);
  EXPECT_THAT(metrics.values(hit_rate_at(2)), ::testing::ElementsAre(1, 1, 0, 0));
}

TEST(RankingMetrics, CountsAUserAsOftenAsItsWeightSays) {
  RankingMetrics weighted, repeated;
  weighted.add(0, 3);
  weighted.add(40, 1);
  for (const std::int64_t rank : {0, 0, 0, 40}) repeated.add(rank);
  for (const Metric& metric : reported_metrics())
    EXPECT_DOUBLE_EQ(weighted.mean(metric), repeated.mean(metric)) << metric.name();
  EXPECT_EQ(weighted.users(), 2);
  EXPECT_EQ(weighted.weight(), 4);
}

TEST(RankingMetrics, WithoutUsersIsZeroAndNotNaN) {
  for (const Metric& metric : reported_metrics()) EXPECT_EQ(RankingMetrics{}.mean(metric), 0);
}

}  // namespace
}  // namespace rapport::evaluation
