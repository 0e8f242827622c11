// Trains SASRec: full softmax cross-entropy at every position of packed sequences.
#pragma once

#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/sasrec_options.h"

namespace rapport::retrieval {

/// `options` are resolved. The same data, options and seed give the same weights, whatever the
/// threads, and also through checkpoints. Errors: as fit_retriever.
Result<Fit> train_sasrec(const data::Dataset& dataset, const SasrecOptions& options,
                         const FitContext& context);

}  // namespace rapport::retrieval
