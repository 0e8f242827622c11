// Where the search for a fusion's weights begins: the largest likelihood of the held-out items
// under a softmax over each pool's weighted sums.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/retrieval/training/fusion_pools.h"

namespace rapport::retrieval {

/// A log-likelihood at some weights, summed over the users whose item a member reaches: concave in
/// the weights. The others' pools hold nothing but items that all members put before theirs, so
/// they would only say that the members know nothing.
struct SoftmaxLikelihood {
  double value = 0;
  std::vector<double> gradient;   // [members]
  std::vector<double> curvature;  // [members × members] minus the second derivatives
};

/// Summed in an order of its own for any number of threads.
SoftmaxLikelihood softmax_likelihood(std::span<const FusionPool> pools,
                                     std::span<const double> weights, TrainingThreads& threads);

/// [members] ≥ 0. A trace of L2 holds back weights that the data would let grow for ever.
std::vector<double> softmax_weights(std::span<const FusionPool> pools, TrainingThreads& threads);

}  // namespace rapport::retrieval
