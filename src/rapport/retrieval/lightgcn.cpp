#include "rapport/retrieval/lightgcn.h"

#include "rapport/retrieval/factor_model.h"
#include "rapport/retrieval/lightgcn_trainer.h"
#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

void LightgcnOptions::describe(base::OptionSet& set) {
  describe_recipe(set, recipe);
  set.add("dimension", dimension, "of the embeddings", 1, 4096);
  set.add("layers", layers, "steps that embeddings travel along the graph", 1, 16);
  set.add("learning_rate", learning_rate, "of Adam; 0: the recipe's", 0, 1);
  set.add("regularisation", regularisation,
          "L2 on the embeddings of the users and items of a batch; negative: the recipe's", -1, 1);
  set.add("negatives", negatives, "items that an interaction is compared with", 1, 1000);
  set.add("popular_negatives", popular_negatives,
          "share of negatives drawn as often as they are taken, the rest uniformly", 0, 1);
  set.add("batch", batch, "interactions a step; 0: the recipe's", 0, 100'000'000);
  loop.describe(set);
}

Result<LightgcnOptions> LightgcnOptions::resolved(const data::Dataset& dataset) const {
  LightgcnOptions options = *this;
  TRY(options.recipe, resolved_recipe(recipe, dataset));
  const bool dense = options.recipe == "dense";
  if (options.learning_rate == 0) options.learning_rate = dense ? 0.05 : 0.02;
  if (options.regularisation < 0) options.regularisation = dense ? 1e-4 : 1e-3;
  if (options.batch == 0) options.batch = dense ? 32'768 : 8'192;
  return options;
}

LightgcnLoss LightgcnOptions::loss() const {
  return {.negatives = negatives, .regularisation = regularisation};
}

Json LightgcnOptions::to_json() const {
  Json json = {{"recipe", recipe},
               {"dimension", dimension},
               {"layers", layers},
               {"learning_rate", learning_rate},
               {"regularisation", regularisation},
               {"negatives", negatives},
               {"popular_negatives", popular_negatives},
               {"batch", batch}};
  loop.add_to(json);
  return json;
}

Result<Fit> fit_lightgcn(std::string_view, const data::Dataset& dataset,
                         const Assignments& assignments, const FitContext& context) {
  TRY(const LightgcnOptions options, read_options<LightgcnOptions>(dataset, assignments));
  return train_lightgcn(dataset, options, context);
}

Result<std::unique_ptr<Retriever>> load_lightgcn(const Json& options,
                                                 const base::Safetensors& file) {
  return FactorModel::load("lightgcn", {.bias = false}, options, file);
}

}  // namespace rapport::retrieval
