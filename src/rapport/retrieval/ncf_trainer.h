// The training of NCF: ncf_gradient.h and Adam within the common course of training.
#pragma once

#include "rapport/data/dataset.h"
#include "rapport/retrieval/ncf_options.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// The model of trained weights: users become what their items say of them.
Ncf served_ncf(const NcfShape& shape, Histories histories, std::span<const float> trained,
               TrainingThreads& threads);

/// An Ncf. Errors: kInvalidArgument for a data set with nothing to learn from (param: "data");
/// those of train_weights.
Result<Fit> train_ncf(const data::Dataset& dataset, const NcfOptions& options,
                      const FitContext& context);

/// For the registry. The same seed gives the same weights whatever the number of threads. Errors:
/// those of fit_retriever.
Result<Fit> fit_ncf(std::string_view kind, const data::Dataset& dataset,
                    const Assignments& assignments, const FitContext& context);

}  // namespace rapport::retrieval
