// Candidates of many users with their features, as a ranker reads and learns them: one list a user.
//
//   TRY(const RankingLists lists, ranking_lists(pools, features, threads, step));
//   lists.rows(i); lists.targets[i];
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/evaluation/ranking_metrics.h"
#include "rapport/palr/candidates.h"
#include "rapport/palr/features.h"

namespace rapport::palr {

struct RankingLists {
  std::int64_t columns = 0;
  std::vector<std::int64_t> offsets = {0};  // [lists + 1] in candidates
  std::vector<float> values = {};           // [candidates × columns], list after list
  /// [lists] place of the held-out item in its list; -1 where it is not in the pool, so that there
  /// is nothing to learn, and no ranking can help.
  std::vector<std::int64_t> targets = {};

  std::size_t size() const { return targets.size(); }
  std::int64_t candidates() const { return offsets.back(); }
  std::int64_t candidates(std::size_t list) const { return offsets[list + 1] - offsets[list]; }
  /// [candidates × columns] of one list.
  std::span<const float> rows(std::size_t list) const;
  /// The lists of these numbers, in this order.
  RankingLists subset(std::span<const std::size_t> lists) const;
};

/// In the order of `pools`; the same for any number of threads. Errors: those of FeatureSet::rows
/// and of `step`.
Result<RankingLists> ranking_lists(std::span<const HeldOutPool> pools, const FeatureSet& features,
                                   retrieval::TrainingThreads& threads,
                                   const retrieval::WorkStep& step = {});

/// Where a ranker's scores [candidates] put the candidate at `target`, from 0; ties count against
/// it, as in every evaluation.
std::int64_t rank_in_list(std::span<const float> scores, std::int64_t target);

/// The mean over `lists` by scores [candidates]; lists without their target count 0.
double mean_of(const evaluation::Metric& metric, const RankingLists& lists,
               std::span<const float> scores);

}  // namespace rapport::palr
