// Trains BERT4Rec: cross-entropy over all items at masked positions of packed sequences.
#pragma once

#include "rapport/retrieval/bert4rec_options.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// `options` are resolved. The same data, options and seed give the same weights, whatever the
/// threads, and also through checkpoints. Errors: as fit_retriever.
Result<Fit> train_bert4rec(const data::Dataset& dataset, const Bert4recOptions& options,
                           const FitContext& context);

}  // namespace rapport::retrieval
