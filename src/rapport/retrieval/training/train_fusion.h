// Finds the weights of a fusion of trained models on the validation items.
#pragma once

#include "rapport/retrieval/fusion.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// The search's weights, or those of the softmax where it began if they are better for users that
/// took no part: few users, and the search finds what is chance. The report has "members":
/// [{"model", "kind", "weight", "validation": {"ndcg@10"}}], in the order they were named; "equal"
/// and "cross_fit": {"ndcg@10"} of equal weights and of users that took no part in the weights they
/// are ranked by; "found_by": "search" or "softmax"; "in_doubt": users of whom the weights' search
/// could not tell all. Errors: those of load_retriever, kConflict for a member that was trained on
/// other data, kInvalidArgument for one that is a fusion; kCancelled.
Result<Fit> train_fusion(const data::Dataset& dataset, const FusionOptions& options,
                         const FitContext& context);

}  // namespace rapport::retrieval
