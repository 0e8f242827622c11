// The training of LightGCN: lightgcn_gradient.h and Adam within the common course of training.
#pragma once

#include "rapport/data/dataset.h"
#include "rapport/retrieval/factor_model.h"
#include "rapport/retrieval/lightgcn.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// The model of trained `embeddings` [nodes × dimension]. A user is the mean, over the history, of
/// what an item's first layers, the last one left out, send along an edge; LightGCN divides by the
/// root of the history's length instead, which orders the items in the same way.
FactorModel served_lightgcn(const LightgcnShape& shape, Histories histories,
                            LightgcnGradient& graph, std::span<const float> embeddings,
                            TrainingThreads& threads);

/// A FactorModel. Errors: kInvalidArgument for a data set with nothing to learn from (param:
/// "data"); those of train_weights.
Result<Fit> train_lightgcn(const data::Dataset& dataset, const LightgcnOptions& options,
                           const FitContext& context);

}  // namespace rapport::retrieval
