#include "rapport/retrieval/caser_options.h"

namespace rapport::retrieval {

void CaserOptions::describe(base::OptionSet& set) {
  describe_recipe(set, recipe);
  set.add("dimension", dimension, "of item and user vectors", 1, 4096);
  set.add("window", window, "newest items that the filters read", 1, 512);
  set.add("heights", heights,
          "horizontal filters see 1 to so many items at once; 0: at most 5, and the window", 0,
          512);
  set.add("horizontal", horizontal, "horizontal filters of each height", 1, 1024);
  set.add("vertical", vertical, "vertical filters", 1, 1024);
  set.add("user", user,
          "true: a vector of each user is learnt, and made of the history when it is used; false: "
          "users have none");
  set.add("max_length", max_length,
          "newest items of a history that are learnt, and in the user's vector; 0: the recipe's", 0,
          8192);
  set.add("dropout", dropout, "share of features dropped; negative: the recipe's", -1, 0.99);
  set.add("initial_deviation", initial_deviation,
          "of item and user vectors at the start; 0: Xavier's; negative: 1/dimension", -1, 1);
  loss.describe(set);
  training.describe(set);
}

Result<CaserOptions> CaserOptions::resolved(const data::Dataset& dataset) const {
  CaserOptions options = *this;
  TRY(options.recipe, resolved_recipe(recipe, dataset));
  const bool dense = options.recipe == "dense";
  if (options.heights == 0) options.heights = std::min<std::int64_t>(options.window, 5);
  if (options.initial_deviation < 0)
    options.initial_deviation = 1 / static_cast<double>(options.dimension);
  TRY(options.loss, loss.resolved());
  // Chosen for cross-entropy on short histories: by the paper's loss they are far worse.
  const bool strict = !dense && options.loss.loss == "ce";
  if (options.dropout < 0) options.dropout = strict ? 0.7 : 0.4;
  if (options.max_length == 0) options.max_length = dense ? 1000 : 50;
  TrainingOptions& t = options.training;
  if (t.learning_rate == 0) t.learning_rate = strict ? 3e-3 : 1e-3;
  if (t.weight_decay < 0) t.weight_decay = strict ? 5e-4 : 0;
  if (t.batch_positions == 0)
    t.batch_positions = usual_batch_positions(dataset, options.max_length, dense ? 4'000 : 2'000);
  TRY_VOID(t.check_device(options.loss.loss == "ce"));
  TRY_VOID(options.shape(std::max<std::int64_t>(1, dataset.items())).check());
  return options;
}

CaserShape CaserOptions::shape(std::int64_t items) const {
  return {.items = items,
          .dimension = dimension,
          .window = window,
          .heights = heights,
          .horizontal = horizontal,
          .vertical = vertical,
          .history = user ? max_length : 0};
}

Json CaserOptions::to_json() const {
  Json json = {{"recipe", recipe},
               {"dimension", dimension},
               {"window", window},
               {"heights", heights},
               {"horizontal", horizontal},
               {"vertical", vertical},
               {"user", user},
               {"max_length", max_length},
               {"dropout", dropout},
               {"initial_deviation", initial_deviation}};
  loss.add_to(json);
  training.add_to(json);
  return json;
}

}  // namespace rapport::retrieval
