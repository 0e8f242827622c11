// Directed ridge: what was taken lately predicts what comes next, by the closed-form solution of a
// regression with a prior that items which read alike stand for each other.
//
//   TRY(const Fit fit, fit_retriever("ridge", dataset, {{"alpha", "5"}}, context));
//
// One row a training target: S [targets × items] is Σ decay^age over the `window` items before it,
// Y the target, K the kernel of text_features.h. The weights are
//   B = (SᵀS + αK + λI)⁻¹ (SᵀY + α(K − diag K)).
#pragma once

#include <memory>

#include "rapport/base/config.h"
#include "rapport/retrieval/linear_model.h"
#include "rapport/retrieval/text_features.h"

namespace rapport::retrieval {

struct RidgeOptions {
  double decay = 0;            // (0, 1] an item further back; 0: the recipe's
  std::int64_t window = 20;    // items before a target that it is predicted from
  double lambda = 0;           // L2 on the weights; 0: the recipe's
  double alpha = -1;           // weight of the text; negative: the recipe's
  std::int64_t history = 50;   // newest items that are read to recommend
  TextFeatureOptions text;     // min_df, max_df
  std::int64_t entries = 500;  // weights kept of each item, the largest

  void describe(base::OptionSet& set);
  /// With the recipe's values filled in: chosen on the validation items of MovieLens-1M for long
  /// histories, of Amazon Beauty for short ones; alpha is 0 where there is no text. Errors:
  /// kInvalidArgument for an alpha where there is no text.
  Result<RidgeOptions> resolved(const data::Dataset& dataset) const;
  LinearReading reading() const { return {.decay = decay, .history = history}; }
  Json to_json() const;
};

class Ridge final : public LinearModel {
 public:
  Ridge(SparseMatrix weights, const LinearReading& reading)
      : LinearModel(std::move(weights), reading) {}
  /// Errors: kCorrupt.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

  std::string_view kind() const override { return "ridge"; }
};

}  // namespace rapport::retrieval
