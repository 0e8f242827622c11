#include "rapport/retrieval/sasrec_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/data/leave_one_out.h"

namespace rapport::retrieval {

void SasrecOptions::describe(base::OptionSet& set) {
  set.add("recipe", recipe, "auto, dense (long histories) or sparse: what unset options become");
  set.add("dimension", dimension, "of item vectors and hidden states", 1, 4096);
  set.add("blocks", blocks, "attention and feed-forward blocks", 1, 64);
  set.add("heads", heads, "attention heads; a divisor of dimension", 1, 4096);
  set.add("max_length", max_length, "newest items that are read; 0: the recipe's", 0, 8192);
  set.add("dropout", dropout, "share of activations dropped; negative: the recipe's", -1, 0.99);
  set.add("learning_rate", learning_rate, "of Adam; 0: the recipe's", 0, 1);
  set.add("weight_decay", weight_decay, "L2 on all weights; negative: the recipe's", -1, 1);
  set.add("batch_positions", batch_positions, "items predicted a step; 0: the recipe's", 0,
          10'000'000);
  set.add("epochs", epochs, "at most so many passes over the data", 1, 100'000);
  set.add("patience", patience, "epochs without a better validation NDCG@10 before it ends", 1,
          100'000);
  set.add("evaluate_every", evaluate_every, "epochs from one validation to the next", 1, 1000);
}

Result<SasrecOptions> SasrecOptions::resolved(const data::Dataset& dataset) const {
  SasrecOptions options = *this;
  if (recipe != "auto" && recipe != "dense" && recipe != "sparse")
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("recipe is \"{}\": expected auto, dense or sparse", recipe), "recipe");
  if (recipe == "auto")
    options.recipe = dataset.interactions() >= 30 * dataset.users() ? "dense" : "sparse";
  const bool dense = options.recipe == "dense";
  if (options.max_length == 0) options.max_length = dense ? 200 : 50;
  if (options.dropout < 0) options.dropout = dense ? 0.1 : 0.6;
  if (options.learning_rate == 0) options.learning_rate = dense ? 1e-3 : 5e-4;
  if (options.weight_decay < 0) options.weight_decay = dense ? 1e-6 : 1e-8;
  if (options.batch_positions == 0) {
    std::int64_t positions = 0;
    for (data::UserIndex user = 0; user < dataset.users(); ++user) {
      const auto size = static_cast<std::int64_t>(data::training_history(dataset, user).size());
      positions += std::clamp<std::int64_t>(size - 1, 0, options.max_length);
    }
    options.batch_positions = std::clamp<std::int64_t>(positions / 40, 500, dense ? 13'000 : 3'000);
  }
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
  return {{"recipe", recipe},
          {"dimension", dimension},
          {"blocks", blocks},
          {"heads", heads},
          {"max_length", max_length},
          {"dropout", dropout},
          {"learning_rate", learning_rate},
          {"weight_decay", weight_decay},
          {"batch_positions", batch_positions},
          {"epochs", epochs},
          {"patience", patience},
          {"evaluate_every", evaluate_every}};
}

}  // namespace rapport::retrieval
