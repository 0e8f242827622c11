// Whether one system is better than another, user by user.
//
//   TRY(const auto differences, compare(sasrec, popularity, reported_metrics(), {}));
//   differences[5].difference.low > 0;   // ndcg@10 is better, at 95 %
#pragma once

#include <span>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/evaluation/full_ranking.h"
#include "rapport/statistics/bootstrap.h"

namespace rapport::evaluation {

/// A figure with its interval: of one system, or of the difference between two.
struct Estimate {
  Metric metric;
  statistics::Interval interval;
};

/// The mean of each metric over users, with a bootstrap interval. Errors: kInvalidArgument without
/// users; those of bootstrap_means.
Result<std::vector<Estimate>> estimate(const RankingMetrics& metrics,
                                       std::span<const Metric> wanted,
                                       const statistics::BootstrapOptions& options);

/// The mean over users of (ours - theirs), with a paired bootstrap interval: positive where ours is
/// better. Errors: kInvalidArgument when the two did not rank the same users.
Result<std::vector<Estimate>> compare(const FullRanking& ours, const FullRanking& theirs,
                                      std::span<const Metric> wanted,
                                      const statistics::BootstrapOptions& options);

}  // namespace rapport::evaluation
