#include "rapport/evaluation/groups.h"

#include <algorithm>

namespace rapport::evaluation {
namespace {

Gap gap_of(const Metric& metric, std::span<const GroupResult* const> groups) {
  const auto mean = [&](const GroupResult* group) { return group->metrics.mean(metric); };
  const auto [worst, best] = std::ranges::minmax_element(groups, {}, mean);
  return {.metric = metric,
          .best = (*best)->name,
          .worst = (*worst)->name,
          .difference = mean(*best) - mean(*worst)};
}

}  // namespace

Result<GroupResults> group_results(const FullRanking& ranking, const data::Grouping& groups,
                                   const GroupOptions& options) {
  std::vector<RankingMetrics> metrics(groups.names.size());
  for (const RankedUser& user : ranking.users) {
    const std::int32_t group = groups.group_of[static_cast<std::size_t>(user.user)];
    metrics[static_cast<std::size_t>(group)].add(user.rank, user.weight);
  }
  GroupResults results;
  for (std::size_t group = 0; group < metrics.size(); ++group) {
    if (metrics[group].users() == 0) continue;
    TRY(auto estimates, estimate(metrics[group], reported_metrics(), options.bootstrap));
    results.groups.push_back(
        {groups.names[group], std::move(metrics[group]), std::move(estimates)});
  }
  std::vector<const GroupResult*> large;
  for (const GroupResult& group : results.groups) {
    if (group.metrics.users() >= options.min_users) large.push_back(&group);
  }
  if (large.size() < 2) return results;
  for (const Metric& metric : reported_metrics()) results.gaps.push_back(gap_of(metric, large));
  return results;
}

}  // namespace rapport::evaluation
