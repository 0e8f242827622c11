// The training that bprmf and fpmc share: Bayesian personalised ranking by stochastic gradient
// descent (pairwise_sgd.h) within the common course of training (training_loop.h).
#pragma once

#include "rapport/data/dataset.h"
#include "rapport/retrieval/pairwise_options.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// A FactorModel of this kind of the registry. Errors: kInvalidArgument for a data set with nothing
/// to learn from (param: "data"); those of train_weights.
Result<Fit> train_pairwise(std::string_view kind, const data::Dataset& dataset,
                           const PairwiseOptions& options, bool transitions,
                           const FitContext& context);

}  // namespace rapport::retrieval
