// LightGCN (He, Deng, Wang, Li, Zhang & Wang 2020): embeddings of users and items that travel along
// the edges of who took what, without weights of their own; trained to rank what was taken above
// what was not.
//
//   TRY(const Fit fit, fit_retriever("lightgcn", dataset, {{"layers", "2"}}, context));
//
// What is served is a FactorModel: a user's vector is what travels to them from their items in
// 1, …, `layers` steps, so that it can be made for anybody from the history. The embedding that a
// user of the training has beside that is left out: it is worth nothing on validation items
// (docs/models.md).
#pragma once

#include <cstdint>
#include <string>

#include "rapport/retrieval/lightgcn_gradient.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// Zero or a negative number stands for what the recipe says, which was chosen on the validation
/// items of MovieLens-1M and Amazon Beauty.
struct LightgcnOptions {
  /// "dense" for long histories, "sparse" for short ones; "auto" takes dense from 30 interactions a
  /// user on.
  std::string recipe = "auto";
  std::int64_t dimension = 64;
  std::int64_t layers = 3;
  double learning_rate = 0;  // of Adam
  double regularisation = -1;
  std::int64_t negatives = 4;
  double popular_negatives = 1;
  /// Interactions a step. Each step propagates over the whole graph, so that batches are far larger
  /// than the 2,048 of the paper.
  std::int64_t batch = 0;
  LoopOptions loop = {.epochs = 200, .patience = 30, .evaluate_every = 5};

  void describe(base::OptionSet& set);
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<LightgcnOptions> resolved(const data::Dataset& dataset) const;
  LightgcnShape shape() const { return {.dimension = dimension, .layers = layers}; }
  LightgcnLoss loss() const;
  Json to_json() const;
};

/// For the registry. The same seed gives the same weights whatever the number of threads. Errors:
/// those of fit_retriever.
Result<Fit> fit_lightgcn(std::string_view kind, const data::Dataset& dataset,
                         const Assignments& assignments, const FitContext& context);
Result<std::unique_ptr<Retriever>> load_lightgcn(const Json& options,
                                                 const base::Safetensors& file);

}  // namespace rapport::retrieval
