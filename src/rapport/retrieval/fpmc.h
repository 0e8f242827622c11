// FPMC (Rendle, Freudenthaler & Schmidt-Thieme 2010): matrix factorisation plus a factorised Markov
// chain from the last item to the next, trained on the order of pairs as BPR-MF is.
//
//   TRY(const Fit fit, fit_retriever("fpmc", dataset, {{"dimension", "128"}}, context));
#pragma once

#include "rapport/retrieval/pairwise_options.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

struct FpmcOptions : PairwiseOptions {
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<FpmcOptions> resolved(const data::Dataset& dataset) const;
};

/// For the registry. The same seed gives the same weights whatever the number of threads. Errors:
/// those of fit_retriever.
Result<Fit> fit_fpmc(std::string_view kind, const data::Dataset& dataset,
                     const Assignments& assignments, const FitContext& context);
Result<std::unique_ptr<Retriever>> load_fpmc(const Json& options, const base::Safetensors& file);

}  // namespace rapport::retrieval
