// Rankers that we train ourselves: a network with one hidden layer, and a weighted sum.
//
//   score = w · relu(W x + b)   or   score = w · x
//
// x are the columns in standard deviations from their mean over all candidates that were learned
// from, at most 8. The loss is the softmax cross-entropy of the held-out item among its list (Cao
// et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007), by Adam.
#pragma once

#include "rapport/palr/ranker.h"

namespace rapport::palr {

Result<std::unique_ptr<RankerTrainer>> train_mlp(const RankingLists& learned,
                                                 const RankingLists& measured,
                                                 const RankerOptions& options, std::uint64_t seed);
Result<std::unique_ptr<RankerTrainer>> train_linear(const RankingLists& learned,
                                                    const RankingLists& measured,
                                                    const RankerOptions& options,
                                                    std::uint64_t seed);
Result<std::unique_ptr<Ranker>> load_mlp(const base::Safetensors& file, std::int64_t columns);
Result<std::unique_ptr<Ranker>> load_linear(const base::Safetensors& file, std::int64_t columns);

}  // namespace rapport::palr
