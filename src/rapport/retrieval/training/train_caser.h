// Trains Caser: what comes next after each window, dealt by lot, by the full softmax cross-entropy
// or the paper's loss over sampled negatives.
#pragma once

#include "rapport/retrieval/caser_options.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// `options` are resolved. The same data, options and seed give the same weights, whatever the
/// threads, and also through checkpoints. Errors: as fit_retriever.
Result<Fit> train_caser(const data::Dataset& dataset, const CaserOptions& options,
                        const FitContext& context);

}  // namespace rapport::retrieval
