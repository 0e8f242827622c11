#include "rapport/evaluation/ranking_metrics.h"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <cmath>
#include <numeric>

#include "rapport/statistics/summary.h"

namespace rapport::evaluation {
namespace {

// "Not below" instead of "at or above": a NaN on either side then counts against the target. The
// loop of known length inside is what a compiler turns into vector comparisons at -O2; with one
// loop over all scores it compares them one by one, which takes eight times as long.
std::int64_t count_not_below(std::span<const float> scores, float own) {
  constexpr std::size_t kBlock = 256;
  std::int64_t count = 0;
  std::size_t start = 0;
  for (; start + kBlock <= scores.size(); start += kBlock) {
    const float* block = scores.data() + start;
    std::int32_t in_block = 0;
    for (std::size_t i = 0; i < kBlock; ++i) in_block += block[i] < own ? 0 : 1;
    count += in_block;
  }
  for (; start < scores.size(); ++start) count += scores[start] < own ? 0 : 1;
  return count;
}

}  // namespace

std::int64_t rank_against_ties(std::span<const float> scores, data::ItemIndex target) {
  assert(target >= 0 && static_cast<std::size_t>(target) < scores.size());
  // The target is not below itself, but does not stand before itself either.
  return count_not_below(scores, scores[static_cast<std::size_t>(target)]) - 1;
}

std::string Metric::name() const {
  const char* kind_name = kind == Kind::kHitRate ? "hr" : kind == Kind::kNdcg ? "ndcg" : "mrr";
  return k == kAllItems ? kind_name : fmt::format("{}@{}", kind_name, k);
}

double Metric::of(std::int64_t rank) const {
  assert(rank >= 0);
  if (rank >= k) return 0;
  switch (kind) {
    case Kind::kHitRate: return 1;
    case Kind::kNdcg: return 1 / std::log2(static_cast<double>(rank) + 2);
    case Kind::kReciprocalRank: return 1 / (static_cast<double>(rank) + 1);
  }
  return 0;
}

std::span<const Metric> reported_metrics() {
  static constexpr std::array kMetrics = {
      hit_rate_at(5), hit_rate_at(10), hit_rate_at(20), hit_rate_at(50),      ndcg_at(5),
      ndcg_at(10),    ndcg_at(20),     ndcg_at(50),     reciprocal_rank_at(),
  };
  return kMetrics;
}

void RankingMetrics::add(std::int64_t rank, double weight) {
  assert(rank >= 0 && weight > 0 && std::isfinite(weight));
  ranks_.push_back(rank);
  weights_.push_back(weight);
}

double RankingMetrics::weight() const {
  return std::accumulate(weights_.begin(), weights_.end(), 0.0);
}

double RankingMetrics::mean(const Metric& metric) const {
  return statistics::weighted_mean(values(metric), weights_);
}

std::vector<double> RankingMetrics::values(const Metric& metric) const {
  std::vector<double> values;
  values.reserve(ranks_.size());
  for (const std::int64_t rank : ranks_) values.push_back(metric.of(rank));
  return values;
}

}  // namespace rapport::evaluation
