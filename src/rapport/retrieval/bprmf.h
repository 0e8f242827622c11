// BPR-MF (Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009): matrix factorisation that ranks
// what a user took above what they did not. It reads who asks, not in which order they took things.
//
//   TRY(const Fit fit, fit_retriever("bprmf", dataset, {{"dimension", "128"}}, context));
#pragma once

#include "rapport/retrieval/pairwise_options.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

struct BprmfOptions : PairwiseOptions {
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<BprmfOptions> resolved(const data::Dataset& dataset) const;
};

/// For the registry. The same seed gives the same weights whatever the number of threads. Errors:
/// those of fit_retriever.
Result<Fit> fit_bprmf(std::string_view kind, const data::Dataset& dataset,
                      const Assignments& assignments, const FitContext& context);
Result<std::unique_ptr<Retriever>> load_bprmf(const Json& options, const base::Safetensors& file);

}  // namespace rapport::retrieval
