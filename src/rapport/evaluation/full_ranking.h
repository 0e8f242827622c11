// Leave one out with a full ranking: where a model puts each user's held-out item among all items
// that the user has not seen.
//
//   TRY(const FullRanking ranking, rank_held_out(dataset, scorer, {.split = data::Split::kTest}));
//   ranking.metrics().mean(ndcg_at(10));
//
// Each user's history is masked, but never the held-out item itself, should it be in there too.
// Ties count against the held-out item (ranking_metrics.h). No items are sampled: sampled metrics
// put systems in another order than full ones (Krichene & Rendle 2020).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/data/dataset.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/evaluation/ranking_metrics.h"
#include "rapport/evaluation/scorer.h"

namespace rapport::evaluation {

struct FullRankingOptions {
  data::Split split = data::Split::kTest;
  /// How many users to rank, drawn with equal chances and without replacement from those who have a
  /// held-out item; 0, or more than there are: all. Their weights stay what they are.
  std::int64_t sample = 0;
  std::uint64_t seed = 1;    // of the drawing of the sample, and of nothing else
  std::int64_t threads = 0;  // 0: one a core. The scorer is called from as many at once.
  /// Scores that one thread holds at a time, in bytes: blocks of at least one user and at most 512.
  /// Large enough that a model's product of matrices runs at its full speed, small enough that the
  /// scores are still in the cache when they are ranked.
  std::int64_t block_bytes = std::int64_t{8} << 20;
  /// Called after each block; from several threads, one at a time.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

struct RankedUser {
  data::UserIndex user = 0;
  std::int64_t rank = 0;  // from 0, of the held-out item
  double weight = 1;      // how many users of the whole population this one stands for
};

struct FullRanking {
  std::vector<RankedUser> users;  // ascending by user: two systems' lists pair up place by place
  std::int64_t skipped = 0;       // users without a held-out item (fewer than three interactions)

  RankingMetrics metrics() const;
};

/// The same whatever `threads` and `block_bytes` are, as far as the scorer gives a user the same
/// scores in any company. Users with histories of like length are scored together, the longest
/// first: a model of sequences that pads them wastes next to nothing, and no thread is left with a
/// long block at the end.
/// Errors: kInvalidArgument for options out of range or a data set in which no user has a held-out
/// item; whatever the scorer reports, of the first of its errors, after which no further block
/// starts.
Result<FullRanking> rank_held_out(const data::Dataset& dataset, const Scorer& scorer,
                                  const FullRankingOptions& options);

}  // namespace rapport::evaluation
