#include "rapport/retrieval/training_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/data/leave_one_out.h"

namespace rapport::retrieval {

void TrainingOptions::describe(base::OptionSet& set) {
  set.add("learning_rate", learning_rate, "of Adam; 0: the recipe's", 0, 1);
  set.add("weight_decay", weight_decay, "L2 on all weights; negative: the recipe's", -1, 1);
  set.add("batch_positions", batch_positions, "items predicted a step; 0: the recipe's", 0,
          10'000'000);
  set.add("epochs", epochs, "at most so many passes over the data", 1, 100'000);
  set.add("patience", patience, "epochs without a better validation NDCG@10 before it ends", 1,
          100'000);
  set.add("evaluate_every", evaluate_every, "epochs from one validation to the next", 1, 1000);
  set.add("device", device, "cpu, or cuda: a GPU, for loss=ce without text");
}

Result<void> TrainingOptions::check_device(bool covered) const {
  if (device != "cpu" && device != "cuda")
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("device is \"{}\": expected cpu or cuda", device), "device");
  if (device == "cuda" && !covered)
    return fail(ErrorCode::kInvalidArgument,
                "device is \"cuda\", which trains with loss=ce and without text only: set loss=ce "
                "and leave text out, or leave device at cpu",
                "device");
  return {};
}

void TrainingOptions::add_to(Json& json) const {
  json["learning_rate"] = learning_rate;
  json["weight_decay"] = weight_decay;
  json["batch_positions"] = batch_positions;
  json["epochs"] = epochs;
  json["patience"] = patience;
  json["evaluate_every"] = evaluate_every;
  json["device"] = device;
}

std::int64_t usual_batch_positions(const data::Dataset& dataset, std::int64_t max_length,
                                   std::int64_t most) {
  std::int64_t positions = 0;
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    const auto size = static_cast<std::int64_t>(data::training_history(dataset, user).size());
    positions += std::clamp<std::int64_t>(size - 1, 0, max_length);
  }
  return std::clamp<std::int64_t>(positions / 40, std::min<std::int64_t>(500, most), most);
}

bool is_dense(const data::Dataset& dataset) {
  return dataset.interactions() >= 30 * dataset.users();
}

Result<std::string> resolved_recipe(const std::string& recipe, const data::Dataset& dataset) {
  if (recipe == "auto") return is_dense(dataset) ? "dense" : "sparse";
  if (recipe == "dense" || recipe == "sparse") return recipe;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("recipe is \"{}\": expected auto, dense or sparse", recipe), "recipe");
}

}  // namespace rapport::retrieval
