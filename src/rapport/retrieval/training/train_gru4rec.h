// Trains GRU4Rec: what comes next at every position of packed sequences, by the full softmax
// cross-entropy or a loss of the paper's time.
#pragma once

#include "rapport/retrieval/gru4rec_options.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// `options` are resolved. The same data, options and seed give the same weights, whatever the
/// threads, and also through checkpoints. Errors: as fit_retriever.
Result<Fit> train_gru4rec(const data::Dataset& dataset, const Gru4recOptions& options,
                          const FitContext& context);

}  // namespace rapport::retrieval
