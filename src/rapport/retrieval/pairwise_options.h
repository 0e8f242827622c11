// How the factor models bprmf and fpmc are trained: each option with its default and where it comes
// from.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/base/config.h"
#include "rapport/base/json.h"
#include "rapport/data/dataset.h"
#include "rapport/retrieval/training_loop.h"

namespace rapport::retrieval {

/// What stands in for options that are not set.
struct PairwiseRecipe {
  double learning_rate = 0, learning_rate_decay = 0, regularisation = 0, popular_negatives = 0;
};

/// Zero or a negative number stands for what the recipe says. Source of the recipes: searches on
/// the validation items of MovieLens-1M and Amazon Beauty; docs/models.md has what they reach.
struct PairwiseOptions {
  /// "dense" for long histories, "sparse" for short ones; "auto" takes dense from 30 interactions a
  /// user on.
  std::string recipe = "auto";
  std::int64_t dimension = 64;
  double learning_rate = 0;
  double learning_rate_decay = 0;  // factor from one epoch to the next
  double regularisation = -1;      // L2 on the factors of an example
  double popular_negatives = -1;   // share of negatives drawn by popularity, the rest uniformly
  LoopOptions loop = {.epochs = 300, .patience = 50, .evaluate_every = 10};

  void describe(base::OptionSet& set);
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<PairwiseOptions> resolved(const data::Dataset& dataset, const PairwiseRecipe& dense,
                                   const PairwiseRecipe& sparse) const;
  Json to_json() const;
};

}  // namespace rapport::retrieval
