// How well each group of users is served, and how far apart the groups are.
//
//   TRY(const auto of_user, groups_of_users(dataset, "gender"));
//   TRY(const GroupResults by_gender, group_results(ranking, "gender", of_user, {}));
//   by_gender.gaps   // for each metric: the best group, the worst, and the difference
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/data/dataset.h"
#include "rapport/evaluation/comparison.h"

namespace rapport::evaluation {

/// The group of each user [users]; "unknown" where the source says nothing of a user. `by` is
/// "gender", "age_band", "occupation", "region" (as People has them) or "activity": the quarter of
/// the users that one is in by number of interactions, named by its range ("18-44 interactions").
/// Errors: kInvalidArgument for another word, or when the source says nothing of any user.
Result<std::vector<std::string>> groups_of_users(const data::Dataset& dataset, std::string_view by);

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
  std::string by;
  std::vector<GroupResult> groups;  // by name, as people count: "5-9" before "18-24"
  std::vector<Gap> gaps;            // of the reported metrics; none with fewer than two groups
};

struct GroupOptions {
  /// A smaller group is shown, but takes no part in the gap, which would be that of its few users.
  std::int64_t min_users = 30;
  statistics::BootstrapOptions bootstrap;
};

/// `of_user[u]` is the group of user u. Errors: those of `estimate`.
Result<GroupResults> group_results(const FullRanking& ranking, std::string_view by,
                                   const std::vector<std::string>& of_user,
                                   const GroupOptions& options);

}  // namespace rapport::evaluation
