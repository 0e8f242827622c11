#include "rapport/retrieval/sasrec_options.h"

namespace rapport::retrieval {

void SasrecOptions::describe(base::OptionSet& set) {
  describe_recipe(set, recipe);
  set.add("dimension", dimension, "of item vectors and hidden states", 1, 4096);
  set.add("blocks", blocks, "attention and feed-forward blocks", 1, 64);
  set.add("heads", heads, "attention heads; a divisor of dimension", 1, 4096);
  set.add("max_length", max_length, "newest items that are read; 0: the recipe's", 0, 8192);
  set.add("dropout", dropout, "share of activations dropped; negative: the recipe's", -1, 0.99);
  loss.describe(set);
  text.describe(set);
  training.describe(set);
}

Result<SasrecOptions> SasrecOptions::resolved(const data::Dataset& dataset) const {
  SasrecOptions options = *this;
  TRY(options.recipe, resolved_recipe(recipe, dataset));
  const bool dense = options.recipe == "dense";
  if (options.max_length == 0) options.max_length = dense ? 200 : 50;
  if (options.dropout < 0) options.dropout = dense ? 0.1 : 0.6;
  TRY(options.loss, loss.resolved());
  TrainingOptions& t = options.training;
  if (t.learning_rate == 0) t.learning_rate = dense ? 1e-3 : 5e-4;
  if (t.weight_decay < 0) t.weight_decay = dense ? 1e-6 : 1e-8;
  if (t.batch_positions == 0)
    t.batch_positions = usual_batch_positions(dataset, options.max_length, dense ? 13'000 : 3'000);
  TRY(options.text, text.resolved(dataset, options.loss, options.max_length));
  TRY_VOID(t.check_device(options.loss.loss == "ce" && !options.text.text));
  TRY_VOID(options.shape(std::max<std::int64_t>(1, dataset.items())).check());
  return options;
}

SasrecShape SasrecOptions::shape(std::int64_t items) const {
  return {.items = items,
          .dimension = dimension,
          .blocks = blocks,
          .heads = heads,
          .max_length = max_length};
}

Json SasrecOptions::to_json() const {
  Json json = {{"recipe", recipe}, {"dimension", dimension},   {"blocks", blocks},
               {"heads", heads},   {"max_length", max_length}, {"dropout", dropout}};
  loss.add_to(json);
  text.add_to(json);
  training.add_to(json);
  return json;
}

}  // namespace rapport::retrieval
