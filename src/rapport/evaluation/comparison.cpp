#include "rapport/evaluation/comparison.h"

#include <fmt/format.h>

#include <algorithm>

namespace rapport::evaluation {
namespace {

Result<std::vector<Estimate>> estimates(std::span<const Metric> wanted,
                                        std::span<const std::vector<double>> columns,
                                        std::span<const double> weights,
                                        const statistics::BootstrapOptions& options) {
  TRY(const auto intervals, statistics::bootstrap_means(columns, weights, options));
  std::vector<Estimate> result;
  for (std::size_t i = 0; i < wanted.size(); ++i) result.push_back({wanted[i], intervals[i]});
  return result;
}

}  // namespace

Result<std::vector<Estimate>> estimate(const RankingMetrics& metrics,
                                       std::span<const Metric> wanted,
                                       const statistics::BootstrapOptions& options) {
  std::vector<std::vector<double>> columns;
  for (const Metric& metric : wanted) columns.push_back(metrics.values(metric));
  return estimates(wanted, columns, metrics.weights(), options);
}

Result<std::vector<Estimate>> compare(const FullRanking& ours, const FullRanking& theirs,
                                      std::span<const Metric> wanted,
                                      const statistics::BootstrapOptions& options) {
  const auto same_user = [](const RankedUser& a, const RankedUser& b) { return a.user == b.user; };
  if (!std::ranges::equal(ours.users, theirs.users, same_user)) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the two systems ranked different users ({} and {}): compare them on the "
                    "same data, split and sample",
                    ours.users.size(), theirs.users.size()));
  }
  const RankingMetrics our_metrics = ours.metrics(), their_metrics = theirs.metrics();
  std::vector<std::vector<double>> columns;
  for (const Metric& metric : wanted) {
    columns.push_back(our_metrics.values(metric));
    std::ranges::transform(columns.back(), their_metrics.values(metric), columns.back().begin(),
                           std::minus{});
  }
  return estimates(wanted, columns, our_metrics.weights(), options);
}

}  // namespace rapport::evaluation
