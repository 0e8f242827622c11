// Trains SASRec: full softmax cross-entropy at every position of packed sequences.
#pragma once

#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// RetrieverKind::fit of "sasrec"; the options are SasrecOptions. The same data, options and seed
/// give the same weights, whatever the threads, and also through checkpoints.
Result<Fit> fit_sasrec(const data::Dataset& dataset, const Assignments& assignments,
                       const FitContext& context);

}  // namespace rapport::retrieval
