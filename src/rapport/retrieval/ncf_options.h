// How NCF is trained: each option with its default and where the default comes from.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/retrieval/ncf.h"
#include "rapport/retrieval/ncf_gradient.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// Zero or a negative number stands for what the recipe says, which was chosen on the validation
/// items of MovieLens-1M and Amazon Beauty. The tower and the number of negatives are the paper's.
struct NcfOptions {
  /// "dense" for long histories, "sparse" for short ones; "auto" takes dense from 30 interactions a
  /// user on.
  std::string recipe = "auto";
  std::int64_t dimension = 32;
  std::int64_t hidden = 32;
  double learning_rate = 0;  // of Adam
  double regularisation = -1;
  std::int64_t negatives = 4;
  double popular_negatives = -1;
  std::int64_t batch = 0;  // interactions a step
  LoopOptions loop = {.epochs = 100, .patience = 20, .evaluate_every = 5};

  void describe(base::OptionSet& set);
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<NcfOptions> resolved(const data::Dataset& dataset) const;
  NcfShape shape(std::int64_t items) const;
  NcfLoss loss() const { return {.negatives = negatives, .regularisation = regularisation}; }
  Json to_json() const;
};

}  // namespace rapport::retrieval
