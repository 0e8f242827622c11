#include "rapport/retrieval/ncf_options.h"

#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

void NcfOptions::describe(base::OptionSet& set) {
  describe_recipe(set, recipe);
  set.add("dimension", dimension, "of the factorisation's embeddings", 1, 4096);
  set.add("hidden", hidden, "of the perceptron's embeddings and first layer, a multiple of 4", 4,
          4096);
  set.add("learning_rate", learning_rate, "of Adam; 0: the recipe's", 0, 1);
  set.add("regularisation", regularisation,
          "L2 on the embeddings of the users and items of a batch; negative: the recipe's", -1, 1);
  set.add("negatives", negatives, "items that an interaction is told apart from", 1, 1000);
  set.add("popular_negatives", popular_negatives,
          "share of negatives drawn as often as they are taken, the rest uniformly; negative: the "
          "recipe's",
          -1, 1);
  set.add("batch", batch, "interactions a step; 0: the recipe's", 0, 100'000'000);
  loop.describe(set);
}

Result<NcfOptions> NcfOptions::resolved(const data::Dataset& dataset) const {
  NcfOptions options = *this;
  TRY(options.recipe, resolved_recipe(recipe, dataset));
  const bool dense = options.recipe == "dense";
  if (options.learning_rate == 0) options.learning_rate = 0.002;
  if (options.regularisation < 0) options.regularisation = dense ? 0 : 1e-3;
  if (options.popular_negatives < 0) options.popular_negatives = dense ? 0.3 : 0.5;
  if (options.batch == 0) options.batch = 2048;
  TRY_VOID(options.shape(std::max<std::int64_t>(1, dataset.items())).check());
  return options;
}

NcfShape NcfOptions::shape(std::int64_t items) const {
  return {.items = items, .dimension = dimension, .hidden = hidden};
}

Json NcfOptions::to_json() const {
  Json json = {{"recipe", recipe},
               {"dimension", dimension},
               {"hidden", hidden},
               {"learning_rate", learning_rate},
               {"regularisation", regularisation},
               {"negatives", negatives},
               {"popular_negatives", popular_negatives},
               {"batch", batch}};
  loop.add_to(json);
  return json;
}

}  // namespace rapport::retrieval
