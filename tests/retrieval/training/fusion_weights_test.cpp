#include "rapport/retrieval/training/fusion_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rapport/base/random.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/fusion.h"
#include "rapport/retrieval/popularity.h"
#include "rapport/retrieval/training/fusion_softmax.h"
#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

const WorkStep kGoOn = [](double) { return Result<void>(); };

constexpr std::int64_t kUsers = 300, kItems = 80;

double uniform(base::SplitMix64& random) {
  return static_cast<double>(random.next() >> 11) * 0x1p-53;
}

/// Knows some users' held-out items: what it scores is noise, plus `skill` for the item of every
/// user whose number `part` picks.
class Oracle final : public Retriever {
 public:
  Oracle(const data::Dataset& dataset, double skill, std::int64_t part, std::uint64_t seed)
      : Retriever(dataset.items()), dataset_(dataset), skill_(skill), part_(part), seed_(seed) {}
  std::string_view kind() const override { return "oracle"; }

 private:
  Result<void> do_score(std::span<const Query> queries, std::span<float> scores) const override {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const data::UserIndex user = queries[i].user;
      const auto row =
          scores.subspan(i * static_cast<std::size_t>(items()), static_cast<std::size_t>(items()));
      base::SplitMix64 random(seed_ * 1'000'003 + static_cast<std::uint64_t>(user));
      for (float& score : row) score = static_cast<float>(uniform(random));
      if (user % 2 == part_ || part_ < 0)
        row[static_cast<std::size_t>(
            data::held_out(dataset_, user, data::Split::kValidation)->target)] +=
            static_cast<float>(skill_ * uniform(random));
    }
    return {};
  }
  Json do_options() const override { return {}; }
  void do_save(base::SafetensorsWriter&) const override {}

  const data::Dataset& dataset_;
  double skill_;
  std::int64_t part_;
  std::uint64_t seed_;
};

using Models = std::vector<std::unique_ptr<Retriever>>;

/// Two that know a half of the users each, one that knows nothing, and one that says nothing.
Models oracles(const data::Dataset& dataset) {
  Models models;
  models.push_back(std::make_unique<Oracle>(dataset, 1.2, 0, 1));
  models.push_back(std::make_unique<Oracle>(dataset, 0.8, 1, 2));
  models.push_back(std::make_unique<Oracle>(dataset, 0.0, -1, 3));
  models.push_back(
      std::make_unique<Popularity>(std::vector<float>(static_cast<std::size_t>(kItems), 3.0f)));
  return models;
}

double ranked_ndcg(const data::Dataset& dataset, const evaluation::Scorer& scorer) {
  return evaluation::rank_held_out(dataset, scorer, {.split = data::Split::kValidation})
      .value()
      .metrics()
      .mean(evaluation::ndcg_at(10));
}

/// Through the model that would be served, all items ranked.
double served_ndcg(const data::Dataset& dataset, const std::vector<double>& weights) {
  Models models = oracles(dataset);
  std::vector<FusionMember> members;
  for (std::size_t m = 0; m < weights.size(); ++m) {
    if (weights[m] > 0) members.push_back({std::move(models[m]), static_cast<float>(weights[m])});
  }
  const Fusion fusion(std::move(members));
  return ranked_ndcg(dataset,
                     [&](auto queries, auto scores) { return fusion.score(queries, scores); });
}

class FusionWeightsTest : public ::testing::Test {
 protected:
  std::vector<FusionPool> pools(std::int64_t best, std::int64_t threads = 2) const {
    TrainingThreads of_fit(threads);
    return fusion_pools(dataset_, oracles(dataset_), {.best = best}, of_fit, kGoOn).value();
  }
  std::vector<double> random_weights(base::SplitMix64& random) const {
    std::vector<double> weights(4);
    for (double& weight : weights) weight = uniform(random) < 0.2 ? 0 : uniform(random);
    weights[0] += 0.1;
    return weights;
  }

  const data::Dataset dataset_ = rapport::testing::random_dataset(kUsers, kItems, 1);
  TrainingThreads threads_{2};
};

TEST_F(FusionWeightsTest, APoolOfAllItemsRanksAsTheServedModelDoes) {
  const auto all = pools(kItems);
  base::SplitMix64 random(5);
  for (int i = 0; i < 10; ++i) {
    const auto weights = random_weights(random);
    const FusedNdcg fused = fused_ndcg(all, weights);
    EXPECT_EQ(fused.in_doubt, 0);
    EXPECT_NEAR(fused.ndcg, served_ndcg(dataset_, weights), 1e-9);
  }
}

TEST_F(FusionWeightsTest, APoolOfTheBestIsOffByNoMoreThanTheUsersInDoubt) {
  base::SplitMix64 random(6);
  std::int64_t doubts = 0;
  for (const std::int64_t best : {2, 5, 10, 20, 40}) {
    const auto some = pools(best);
    const auto users = static_cast<double>(some.size());
    for (int i = 0; i < 5; ++i) {
      const auto weights = random_weights(random);
      const FusedNdcg fused = fused_ndcg(some, weights);
      const double exact = served_ndcg(dataset_, weights);
      EXPECT_GE(fused.ndcg, exact - 1e-9) << "what is outside can only come before";
      EXPECT_LE(fused.ndcg - exact, static_cast<double>(fused.in_doubt) / users + 1e-9) << best;
      doubts += fused.in_doubt;
    }
  }
  EXPECT_GT(doubts, 0) << "else nothing was tried";
}

TEST_F(FusionWeightsTest, APoolHasEachMembersOwnRank) {
  const auto models = oracles(dataset_);
  const auto some = pools(3);
  for (std::size_t m = 0; m < models.size(); ++m) {
    evaluation::RankingMetrics metrics;
    for (const FusionPool& pool : some) metrics.add(pool.ranks[m], pool.weight);
    EXPECT_NEAR(
        metrics.mean(evaluation::reciprocal_rank_at()),
        evaluation::rank_held_out(
            dataset_, [&](auto queries, auto scores) { return models[m]->score(queries, scores); },
            {.split = data::Split::kValidation})
            .value()
            .metrics()
            .mean(evaluation::reciprocal_rank_at()),
        1e-12);
  }
}

TEST_F(FusionWeightsTest, APoolIsOfUsersEvenlyWhereThereAreTooMany) {
  const auto all = pools(10);
  const auto some =
      fusion_pools(dataset_, oracles(dataset_), {.best = 10, .users = 50}, threads_, kGoOn).value();
  ASSERT_EQ(some.size(), 50u);
  EXPECT_EQ(some[0].scores, all[0].scores);
  EXPECT_EQ(some[49].scores, all[49 * all.size() / 50].scores);
}

/// In double precision, by the words.
double log_likelihood(std::span<const FusionPool> pools, const std::vector<double>& weights) {
  double value = 0;
  for (const FusionPool& pool : pools) {
    if (!pool.reached) continue;
    std::vector<double> sums(static_cast<std::size_t>(pool.items));
    for (std::size_t i = 0; i < sums.size(); ++i) {
      for (std::size_t m = 0; m < weights.size(); ++m)
        sums[i] += weights[m] * static_cast<double>(pool.scores[m * sums.size() + i]);
    }
    double total = 0;
    for (const double sum : sums) total += std::exp(sum - sums[0]);
    value -= pool.weight * std::log(total);
  }
  return value;
}

TEST_F(FusionWeightsTest, TheLikelihoodsDerivativesAreThoseOfFiniteDifferences) {
  const auto some = pools(10);
  const std::vector<double> at = {1.3, 0.4, 0.0, 0.7};
  const SoftmaxLikelihood found = softmax_likelihood(some, at, threads_);
  EXPECT_NEAR(found.value, log_likelihood(some, at), 1e-3);
  constexpr double kStep = 1e-4;
  for (std::size_t m = 0; m < at.size(); ++m) {
    std::vector<double> up = at, down = at;
    up[m] += kStep;
    down[m] -= kStep;
    EXPECT_NEAR(found.gradient[m],
                (log_likelihood(some, up) - log_likelihood(some, down)) / (2 * kStep), 2e-2);
    const SoftmaxLikelihood above = softmax_likelihood(some, up, threads_);
    const SoftmaxLikelihood below = softmax_likelihood(some, down, threads_);
    for (std::size_t k = 0; k < at.size(); ++k)
      EXPECT_NEAR(found.curvature[m * at.size() + k],
                  (below.gradient[k] - above.gradient[k]) / (2 * kStep), 1)
          << m << " " << k;
  }
}

TEST_F(FusionWeightsTest, TheSoftmaxBeginsWhereNoWeightCouldGain) {
  const auto some = pools(10);
  const std::vector<double> weights = softmax_weights(some, threads_);
  const SoftmaxLikelihood there = softmax_likelihood(some, weights, threads_);
  for (std::size_t m = 0; m < weights.size(); ++m) {
    const double slope = there.gradient[m] / static_cast<double>(some.size());
    if (weights[m] > 0) {
      EXPECT_NEAR(slope, 0, 2e-3) << m;
    } else {
      EXPECT_LE(slope, 1e-3) << m;
    }
  }
}

TEST_F(FusionWeightsTest, TheSearchTakesWhatHelpsAndLeavesTheRest) {
  const auto some = pools(30);
  const FusionWeights found = find_fusion_weights(some, threads_);
  EXPECT_NEAR(std::accumulate(found.weights.begin(), found.weights.end(), 0.0), 1, 1e-12);
  EXPECT_GT(found.weights[0], 0.2);
  EXPECT_GT(found.weights[1], 0.05) << "knows less, of other users";
  EXPECT_LT(found.weights[2], 0.05) << "knows nothing";
  EXPECT_EQ(found.ndcg, fused_ndcg(some, found.weights).ndcg);
  EXPECT_GE(found.ndcg, fused_ndcg(some, found.softmax).ndcg);
  for (std::size_t m = 0; m < 4; ++m) {
    std::vector<double> alone(4);
    alone[m] = 1;
    EXPECT_GT(found.ndcg, fused_ndcg(some, alone).ndcg + 0.01) << m;
  }
}

TEST_F(FusionWeightsTest, AreTheSameWhateverTheThreads) {
  TrainingThreads single(1), more(3);
  const FusionWeights one = find_fusion_weights(pools(10, 1), single);
  const FusionWeights three = find_fusion_weights(pools(10, 3), more);
  EXPECT_EQ(one.softmax, three.softmax);
  EXPECT_EQ(one.weights, three.weights);
}

TEST_F(FusionWeightsTest, CrossFittingRanksUsersThatTookNoPart) {
  auto some = pools(30);
  const double fitted = find_fusion_weights(some, threads_).ndcg;
  const double crossed = cross_fit(some, 5, threads_, kGoOn)->ndcg;
  EXPECT_LE(crossed, fitted + 0.005);
  EXPECT_GT(crossed, fitted - 0.05);

  // By hand: the halves of the users, each with the other's weights.
  const auto middle = some.size() / 2;
  const auto all = std::span<const FusionPool>(some);
  const auto first = all.first(middle), second = all.subspan(middle);
  const double by_hand =
      (static_cast<double>(first.size()) *
           fused_ndcg(first, find_fusion_weights(second, threads_).weights).ndcg +
       static_cast<double>(second.size()) *
           fused_ndcg(second, find_fusion_weights(first, threads_).weights).ndcg) /
      static_cast<double>(some.size());
  EXPECT_NEAR(cross_fit(some, 2, threads_, kGoOn)->ndcg, by_hand, 1e-12);
  some.resize(1);
  EXPECT_EQ(cross_fit(some, 5, threads_, kGoOn)->ndcg, 0) << "nobody to find weights on";
}

}  // namespace
}  // namespace rapport::retrieval
