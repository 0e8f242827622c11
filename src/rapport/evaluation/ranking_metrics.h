// How high a ranking of all items puts the one that was held out.
//
//   RankingMetrics metrics;
//   for (const RankedUser& user : ranking.users) metrics.add(user.rank, user.weight);
//   metrics.mean(hit_rate_at(10));   // share of users whose item is among the top ten
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rapport/data/indexes.h"

namespace rapport::evaluation {

/// The rank, from 0, of `target` in `scores` [items]: how many other items a ranking may put before
/// it. Every tie goes to the other item, so that a model that gives all items one score is worst
/// and not lucky, and so does every score that is not a number. A target whose own score is not a
/// number or -infinity (as masked items have) is last. Precondition: target in [0, items). Reads
/// the scores once, as fast as memory gives them.
std::int64_t rank_against_ties(std::span<const float> scores, data::ItemIndex target);

/// One figure of a ranking, as a function of the held-out item's rank.
struct Metric {
  enum class Kind { kHitRate, kNdcg, kReciprocalRank };

  Kind kind = Kind::kNdcg;
  std::int64_t k = 10;  // only the first k places count; kAllItems: every place

  static constexpr std::int64_t kAllItems = INT64_MAX;

  /// "hr@10", "ndcg@10", "mrr@10"; "mrr" over all items.
  std::string name() const;
  /// What one user with this rank contributes, in [0, 1]; 0 from rank k on. Hit rate: 1. NDCG:
  /// 1 / log2(rank + 2), the ideal being 1 with a single relevant item (Kang & McAuley 2018). MRR:
  /// 1 / (rank + 1). Precondition: rank ≥ 0.
  double of(std::int64_t rank) const;

  friend bool operator==(const Metric&, const Metric&) = default;
};

constexpr Metric hit_rate_at(std::int64_t k) {
  return {.kind = Metric::Kind::kHitRate, .k = k};
}
constexpr Metric ndcg_at(std::int64_t k) {
  return {.kind = Metric::Kind::kNdcg, .k = k};
}
constexpr Metric reciprocal_rank_at(std::int64_t k = Metric::kAllItems) {
  return {.kind = Metric::Kind::kReciprocalRank, .k = k};
}

/// What a result shows: HR and NDCG at 5, 10, 20 and 50, and MRR over all items.
std::span<const Metric> reported_metrics();

/// Means over users with one held-out item each. A user of weight w counts as w users: a sample
/// whose weights say whom each member stands for estimates the whole population. Not thread-safe.
class RankingMetrics {
 public:
  /// Preconditions: rank ≥ 0; weight positive and finite.
  void add(std::int64_t rank, double weight = 1);

  std::int64_t users() const { return static_cast<std::int64_t>(ranks_.size()); }
  double weight() const;
  /// Σ weight·metric / Σ weight, in [0, 1]; 0 without users.
  double mean(const Metric& metric) const;
  /// [users], in the order they were added: what paired statistics need.
  std::vector<double> values(const Metric& metric) const;
  const std::vector<double>& weights() const { return weights_; }

 private:
  std::vector<std::int64_t> ranks_;
  std::vector<double> weights_;
};

}  // namespace rapport::evaluation
