// Fits EASE.
#pragma once

#include "rapport/retrieval/ease.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// `options` are resolved. No chance is involved: the seed changes nothing, nor do the threads.
/// Needs two matrices of items × items floats. Errors: as fit_retriever.
Result<Fit> train_ease(const data::Dataset& dataset, const EaseOptions& options,
                       const FitContext& context);

}  // namespace rapport::retrieval
