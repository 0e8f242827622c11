// Fits the directed ridge.
#pragma once

#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/ridge.h"

namespace rapport::retrieval {

/// `options` are resolved. No chance is involved: the seed changes nothing, nor do the threads.
/// Needs two matrices of items × items floats. Errors: as fit_retriever; kInvalidArgument when no
/// token of the text is within its bounds.
Result<Fit> train_ridge(const data::Dataset& dataset, const RidgeOptions& options,
                        const FitContext& context);

}  // namespace rapport::retrieval
