// EASE: each item's score is a weighted sum over the history, the weights the closed-form solution
// of predicting every user's items from their other items. Steck, "Embarrassingly Shallow
// Autoencoders for Sparse Data", WWW 2019.
//
//   TRY(const Fit fit, fit_retriever("ease", dataset, {{"lambda", "500"}}, context));
#pragma once

#include <memory>

#include "rapport/base/config.h"
#include "rapport/retrieval/linear_model.h"

namespace rapport::retrieval {

struct EaseOptions {
  double lambda = 0;            // L2 on the weights; 0: the recipe's
  std::int64_t entries = 1000;  // weights kept of each item, the largest

  void describe(base::OptionSet& set);
  /// With the recipe's lambda filled in: chosen on the validation items of MovieLens-1M for long
  /// histories, of Amazon Beauty for short ones.
  Result<EaseOptions> resolved(const data::Dataset& dataset) const;
  Json to_json() const;
};

class Ease final : public LinearModel {
 public:
  explicit Ease(SparseMatrix weights) : LinearModel(std::move(weights), {}) {}
  /// Errors: kCorrupt.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

  std::string_view kind() const override { return "ease"; }
};

}  // namespace rapport::retrieval
