#include "rapport/retrieval/gru4rec_options.h"

namespace rapport::retrieval {

void Gru4recOptions::describe(base::OptionSet& set) {
  describe_recipe(set, recipe);
  set.add("dimension", dimension, "of item vectors", 1, 4096);
  set.add("hidden", hidden, "of recurrent states", 1, 4096);
  set.add("layers", layers, "recurrent layers", 1, 16);
  set.add("max_length", max_length, "newest items that are read; 0: the recipe's", 0, 8192);
  set.add("dropout", dropout, "share of activations dropped; negative: the recipe's", -1, 0.99);
  loss.describe(set);
  text.describe(set);
  training.describe(set);
}

Result<Gru4recOptions> Gru4recOptions::resolved(const data::Dataset& dataset) const {
  Gru4recOptions options = *this;
  TRY(options.recipe, resolved_recipe(recipe, dataset));
  const bool dense = options.recipe == "dense";
  if (options.max_length == 0) options.max_length = dense ? 200 : 50;
  if (options.dropout < 0) options.dropout = 0.3;
  TRY(options.loss, loss.resolved());
  TrainingOptions& t = options.training;
  if (t.learning_rate == 0) t.learning_rate = dense ? 2e-3 : 1e-3;
  if (t.weight_decay < 0) t.weight_decay = 0;
  if (t.batch_positions == 0)
    t.batch_positions = usual_batch_positions(dataset, options.max_length, dense ? 9'000 : 3'000);
  TRY(options.text, text.resolved(dataset, options.loss, options.max_length));
  TRY_VOID(t.check_device(options.loss.loss == "ce" && !options.text.text));
  TRY_VOID(options.shape(std::max<std::int64_t>(1, dataset.items())).check());
  return options;
}

Gru4recShape Gru4recOptions::shape(std::int64_t items) const {
  return {.items = items,
          .dimension = dimension,
          .hidden = hidden,
          .layers = layers,
          .max_length = max_length};
}

Json Gru4recOptions::to_json() const {
  Json json = {{"recipe", recipe}, {"dimension", dimension},   {"hidden", hidden},
               {"layers", layers}, {"max_length", max_length}, {"dropout", dropout}};
  loss.add_to(json);
  text.add_to(json);
  training.add_to(json);
  return json;
}

}  // namespace rapport::retrieval
