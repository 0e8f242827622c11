// How well each group of users is served, and how far apart the groups are.
//
//   TRY(const auto by, data::parse_group_by("gender"));
//   TRY(const GroupResults results, group_results(ranking, data::group_users(dataset, by), {}));
//   results.gaps   // for each metric: the best group, the worst, and the difference
#pragma once

#include <string>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/data/groups.h"
#include "rapport/evaluation/comparison.h"

namespace rapport::evaluation {

struct GroupResult {
  std::string name;
  RankingMetrics metrics;
  std::vector<Estimate> estimates;  // of the reported metrics
};

struct Gap {
  Metric metric;
  std::string best, worst;  // groups
  double difference = 0;    // best - worst
};

struct GroupResults {
  std::vector<GroupResult> groups;  // in the order of the grouping; none is without users
  std::vector<Gap> gaps;            // of the reported metrics; none with fewer than two groups
};

struct GroupOptions {
  /// A smaller group is shown, but takes no part in the gap, which would be that of its few users.
  std::int64_t min_users = 30;
  statistics::BootstrapOptions bootstrap = {};
};

/// Precondition: `groups` is of the data set that was ranked. Errors: those of `estimate`.
Result<GroupResults> group_results(const FullRanking& ranking, const data::Grouping& groups,
                                   const GroupOptions& options);

}  // namespace rapport::evaluation
