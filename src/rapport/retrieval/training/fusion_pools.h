// What the weights of a fusion are found from: of each user, the few items that could come first.
//
//   const auto pools = fusion_pools(dataset, members, {.best = 100}, threads, step);
//
// All scores of all members would be users × items × members. An item that is among the best 100 of
// no member has to be below each one's hundredth; so whatever the weights, an item outside of the
// pool scores less than the pool's `bar` does, and whether the held-out item is among the first ten
// can be told from the pool but for the rare user whose item is below that too.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rapport/retrieval/retriever.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::retrieval {

/// One user's. Scores are damped standard deviations, as Fusion adds them up.
struct FusionPool {
  std::int64_t items = 0;     // the held-out one first
  bool reached = false;       // it is among the best of a member
  std::vector<float> scores;  // [members × items]
  /// [members] none of the items outside scores more; empty when none is outside.
  std::vector<float> bar;
  std::vector<std::int64_t> ranks;  // [members] of the held-out item, from 0, by each alone
  double weight = 1;                // as RankedUser::weight
};

struct FusionPoolOptions {
  std::int64_t best = 100;      // items of each member
  std::int64_t users = 50'000;  // of more, so many are taken, evenly by their numbers
};

/// Of the validation items; users without one are left out. In the order of users, the same for any
/// number of threads. Precondition: the members' catalogues are the data set's. Errors: those of
/// `step`.
Result<std::vector<FusionPool>> fusion_pools(const data::Dataset& dataset,
                                             std::span<const std::unique_ptr<Retriever>> members,
                                             const FusionPoolOptions& options,
                                             TrainingThreads& threads, const WorkStep& step);

}  // namespace rapport::retrieval
