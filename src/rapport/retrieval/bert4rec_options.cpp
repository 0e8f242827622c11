#include "rapport/retrieval/bert4rec_options.h"

namespace rapport::retrieval {

void Bert4recOptions::describe(base::OptionSet& set) {
  describe_recipe(set, recipe);
  set.add("dimension", dimension, "of item vectors and hidden states", 1, 4096);
  set.add("blocks", blocks, "attention and feed-forward blocks", 1, 64);
  set.add("heads", heads, "attention heads; a divisor of dimension", 1, 4096);
  set.add("inner", inner, "of the feed-forward networks", 1, 16384);
  set.add("max_length", max_length, "positions that are read, the mask's included; 0: the recipe's",
          0, 8192);
  set.add("dropout", dropout, "share of activations dropped; negative: the recipe's", -1, 0.99);
  set.add("mask_share", mask_share, "share of items masked in training; 0: the recipe's", 0, 0.95);
  set.add("last_share", last_share,
          "share of sequences with their last item masked alone; negative: the recipe's", -1, 1);
  training.describe(set);
}

Result<Bert4recOptions> Bert4recOptions::resolved(const data::Dataset& dataset) const {
  Bert4recOptions options = *this;
  TRY(options.recipe, resolved_recipe(recipe, dataset));
  const bool dense = options.recipe == "dense";
  if (options.max_length == 0) options.max_length = dense ? 200 : 50;
  if (options.dropout < 0) options.dropout = dense ? 0.1 : 0.2;
  if (options.mask_share == 0) options.mask_share = dense ? 0.2 : 0.5;
  if (options.last_share < 0) options.last_share = 0.1;
  TrainingOptions& t = options.training;
  if (t.learning_rate == 0) t.learning_rate = dense ? 1e-3 : 3e-3;
  if (t.weight_decay < 0) t.weight_decay = 0;
  if (t.batch_positions == 0)
    t.batch_positions = usual_batch_positions(dataset, options.max_length, dense ? 4'000 : 3'000);
  TRY_VOID(t.check_device(/*covered=*/true));
  TRY_VOID(options.shape(std::max<std::int64_t>(1, dataset.items())).check());
  return options;
}

Bert4recShape Bert4recOptions::shape(std::int64_t items) const {
  return {.items = items,
          .dimension = dimension,
          .blocks = blocks,
          .heads = heads,
          .inner = inner,
          .max_length = max_length};
}

Json Bert4recOptions::to_json() const {
  Json json = {{"recipe", recipe},   {"dimension", dimension},   {"blocks", blocks},
               {"heads", heads},     {"inner", inner},           {"max_length", max_length},
               {"dropout", dropout}, {"mask_share", mask_share}, {"last_share", last_share}};
  training.add_to(json);
  return json;
}

}  // namespace rapport::retrieval
