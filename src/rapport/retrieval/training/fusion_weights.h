// The weights of a fusion: those with which the held-out items of the users come highest.
//
//   const FusionWeights found = find_fusion_weights(pools, threads);
//
// First those of the softmax over each pool's sums, whose likelihood is concave and has one best
// place (projected Newton steps); from there, one weight at a time, whatever raises NDCG@10. There
// is no chance in it, and the number of threads changes nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/retrieval/training/fusion_pools.h"

namespace rapport::retrieval {

struct FusionWeights {
  std::vector<double> weights;  // [members] ≥ 0, of sum 1
  double ndcg = 0;              // @10, of the pools they were found on
  std::vector<double> softmax;  // [members] where the search began, of sum 1
};

/// Precondition: there is a pool. A member that helps nowhere gets 0.
FusionWeights find_fusion_weights(std::span<const FusionPool> pools, TrainingThreads& threads);

struct FusedNdcg {
  double ndcg = 0;            // @10, ties against the held-out item
  std::int64_t in_doubt = 0;  // users of whom the pool does not tell, taken as it stands
};

/// Of given weights.
FusedNdcg fused_ndcg(std::span<const FusionPool> pools, std::span<const double> weights);

/// NDCG@10 of users that weights were not found on: each of `folds` parts of the users, by the
/// weights of the others. Users follow no order, so that parts are as good as drawn.
struct CrossFit {
  double ndcg = 0;     // of the weights that find_fusion_weights ends with
  double softmax = 0;  // of those where its search begins
};
/// `pools` change places on the way, and are as they were at the end.
/// Errors: those of `step`, asked before each part.
Result<CrossFit> cross_fit(std::span<FusionPool> pools, std::int64_t folds,
                           TrainingThreads& threads, const WorkStep& step);

}  // namespace rapport::retrieval
