// Rankers of boosted trees, by XGBoost (Chen & Guestrin, KDD 2016).
//
// Objectives: "softmax", the cross-entropy of the held-out item in the softmax of its list, whose
// derivatives we compute; "ndcg", XGBoost's own rank:ndcg, pairs weighed by what their exchange
// does to NDCG (Burges, "From RankNet to LambdaRank to LambdaMART", 2010). Trees are grown on one
// thread, so that the same seed gives the same trees on any machine; folds run side by side
// instead. Contributions are Shapley values of the trees (Lundberg & Lee, NIPS 2017).
#pragma once

#include "rapport/palr/ranker.h"

namespace rapport::palr {

Result<std::unique_ptr<RankerTrainer>> train_xgboost(const RankingLists& learned,
                                                     const RankingLists& measured,
                                                     const RankerOptions& options,
                                                     std::uint64_t seed);
Result<std::unique_ptr<Ranker>> load_xgboost(const base::Safetensors& file, std::int64_t columns);

}  // namespace rapport::palr
