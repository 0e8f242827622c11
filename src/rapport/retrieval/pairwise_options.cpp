#include "rapport/retrieval/pairwise_options.h"

#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

void PairwiseOptions::describe(base::OptionSet& set) {
  describe_recipe(set, recipe);
  set.add("dimension", dimension, "of the factors", 1, 4096);
  set.add("learning_rate", learning_rate, "of gradient descent; 0: the recipe's", 0, 10);
  set.add("learning_rate_decay", learning_rate_decay,
          "factor of the learning rate from one epoch to the next; 0: the recipe's", 0, 1);
  set.add("regularisation", regularisation,
          "L2 on the factors of each example; negative: the recipe's", -1, 1);
  set.add("popular_negatives", popular_negatives,
          "share of negatives drawn as often as they are taken, the rest uniformly; negative: the "
          "recipe's",
          -1, 1);
  loop.describe(set);
}

Result<PairwiseOptions> PairwiseOptions::resolved(const data::Dataset& dataset,
                                                  const PairwiseRecipe& dense,
                                                  const PairwiseRecipe& sparse) const {
  PairwiseOptions options = *this;
  TRY(options.recipe, resolved_recipe(recipe, dataset));
  const PairwiseRecipe& of = options.recipe == "dense" ? dense : sparse;
  if (options.learning_rate == 0) options.learning_rate = of.learning_rate;
  if (options.learning_rate_decay == 0) options.learning_rate_decay = of.learning_rate_decay;
  if (options.regularisation < 0) options.regularisation = of.regularisation;
  if (options.popular_negatives < 0) options.popular_negatives = of.popular_negatives;
  return options;
}

Json PairwiseOptions::to_json() const {
  Json json = {{"recipe", recipe},
               {"dimension", dimension},
               {"learning_rate", learning_rate},
               {"learning_rate_decay", learning_rate_decay},
               {"regularisation", regularisation},
               {"popular_negatives", popular_negatives}};
  loop.add_to(json);
  return json;
}

}  // namespace rapport::retrieval
