#include "rapport/retrieval/training/fusion_weights.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "rapport/evaluation/ranking_metrics.h"
#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/training/fusion_softmax.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kPlaces = 10;  // of NDCG@10

RAPPORT_VECTORISED std::int64_t count_not_negative(const float* values, std::size_t count) {
  std::int32_t found = 0;
  for (std::size_t i = 0; i < count; ++i) found += values[i] < 0 ? 0 : 1;
  return found;
}

/// One user's held-out item and those that may come before it or not, as the weights will have it.
/// Rivals that are below it by every member never do, those that are not below by any always do:
/// most of a pool is one or the other.
struct Contest {
  std::int64_t always = 0;
  std::size_t rivals = 0;
  std::size_t begin = 0;   // of its differences: [members × rivals] of rival − held-out item
  std::vector<float> bar;  // [members] the same of the pool's bar
  double weight = 1;
};

class Contests {
 public:
  explicit Contests(std::span<const FusionPool> pools) {
    for (const FusionPool& pool : pools) add(pool);
    for (const Contest& contest : contests_) total_ += contest.weight;
    for (std::int64_t rank = 0; rank < kPlaces; ++rank)
      gains_.push_back(evaluation::ndcg_at(kPlaces).of(rank));
  }

  FusedNdcg ndcg(std::span<const double> weights) const {
    FusedNdcg result;
    std::vector<float> sums;
    for (const Contest& contest : contests_) {
      std::int64_t rank = contest.always;
      if (rank < kPlaces && contest.rivals > 0) {
        sums.assign(contest.rivals, 0.0f);
        for (std::size_t m = 0; m < weights.size(); ++m) {
          if (weights[m] != 0)
            add_scaled(static_cast<float>(weights[m]),
                       differences_.data() + contest.begin + m * contest.rivals,
                       static_cast<std::int64_t>(contest.rivals), sums.data());
        }
        rank += count_not_negative(sums.data(), sums.size());
      }
      if (rank >= kPlaces) continue;
      result.ndcg += contest.weight * gains_[static_cast<std::size_t>(rank)];
      if (!contest.bar.empty() &&
          std::inner_product(weights.begin(), weights.end(), contest.bar.begin(), 0.0) >= 0)
        ++result.in_doubt;
    }
    result.ndcg /= total_;
    return result;
  }

 private:
  void add(const FusionPool& pool) {
    const auto items = static_cast<std::size_t>(pool.items);
    const std::size_t members = pool.ranks.size();
    const auto difference = [&](std::size_t m, std::size_t item) {
      return pool.scores[m * items + item] - pool.scores[m * items];
    };
    Contest contest;
    contest.begin = differences_.size();
    contest.weight = pool.weight;
    std::vector<std::size_t> open;
    for (std::size_t item = 1; item < items; ++item) {
      std::size_t not_below = 0;
      for (std::size_t m = 0; m < members; ++m) not_below += difference(m, item) < 0 ? 0 : 1;
      if (not_below == members) {
        ++contest.always;
      } else if (not_below > 0) {
        open.push_back(item);
      }
    }
    if (contest.always < kPlaces) {
      contest.rivals = open.size();
      for (std::size_t m = 0; m < members; ++m) {
        for (const std::size_t item : open) differences_.push_back(difference(m, item));
        if (!pool.bar.empty()) contest.bar.push_back(pool.bar[m] - pool.scores[m * items]);
      }
    }
    contests_.push_back(std::move(contest));
  }

  std::vector<Contest> contests_;
  std::vector<float> differences_;
  std::vector<double> gains_;  // by rank
  double total_ = 0;
};

void scale_to_one(std::vector<double>& weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights)
    weight = sum > 0 ? weight / sum : 1.0 / static_cast<double>(weights.size());
}

/// Tries one weight after the other, larger, smaller and none, by steps that become finer when no
/// weight gains by them any more. What is not better is not taken: the end is the best place seen.
void search(const Contests& contests, FusionWeights& found) {
  for (const double step : {1.0, 0.5, 0.25, 0.12, 0.06, 0.03}) {
    for (bool gained = true; gained;) {
      gained = false;
      for (std::size_t m = 0; m < found.weights.size(); ++m) {
        const double now = found.weights[m];
        const double larger = now > 0 ? now * (1 + step) : step / 2;
        for (const double next : {larger, now / (1 + step), 0.0}) {
          std::vector<double> tried = found.weights;
          tried[m] = next;
          if (std::ranges::max(tried) <= 0) continue;
          scale_to_one(tried);
          const double ndcg = contests.ndcg(tried).ndcg;
          if (ndcg <= found.ndcg) continue;
          found.weights = std::move(tried);
          found.ndcg = ndcg;
          gained = true;
          break;
        }
      }
    }
  }
}

}  // namespace

FusionWeights find_fusion_weights(std::span<const FusionPool> pools, TrainingThreads& threads) {
  assert(!pools.empty());
  FusionWeights found;
  found.weights = softmax_weights(pools, threads);
  scale_to_one(found.weights);
  found.softmax = found.weights;
  const Contests contests(pools);
  found.ndcg = contests.ndcg(found.weights).ndcg;
  search(contests, found);
  return found;
}

FusedNdcg fused_ndcg(std::span<const FusionPool> pools, std::span<const double> weights) {
  return Contests(pools).ndcg(weights);
}

Result<CrossFit> cross_fit(std::span<FusionPool> pools, std::int64_t folds,
                           TrainingThreads& threads, const WorkStep& step) {
  const auto count = static_cast<std::int64_t>(pools.size());
  CrossFit sum;
  double total = 0;
  for (std::int64_t fold = 0; fold < folds; ++fold) {
    TRY_VOID(step(static_cast<double>(fold) / static_cast<double>(folds)));
    // The fold stands in front, and goes to the back when it is done.
    const auto size = static_cast<std::size_t>(count * (fold + 1) / folds - count * fold / folds);
    const auto unseen = pools.first(size), seen = pools.subspan(size);
    if (unseen.empty() || seen.empty()) continue;
    double weight = 0;
    for (const FusionPool& pool : unseen) weight += pool.weight;
    const FusionWeights found = find_fusion_weights(seen, threads);
    const Contests contests(unseen);
    sum.ndcg += weight * contests.ndcg(found.weights).ndcg;
    sum.softmax += weight * contests.ndcg(found.softmax).ndcg;
    total += weight;
    std::rotate(pools.begin(), pools.begin() + static_cast<std::ptrdiff_t>(size), pools.end());
  }
  return total > 0 ? CrossFit{sum.ndcg / total, sum.softmax / total} : CrossFit{};
}

}  // namespace rapport::retrieval
