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
  loop.describe(set);
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
  loop.add_to(json);
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

void describe_recipe(base::OptionSet& set, std::string& recipe) {
  set.add("recipe", recipe, "auto, dense (long histories) or sparse: what unset options become");
}

Result<std::string> resolved_recipe(const std::string& recipe, const data::Dataset& dataset) {
  if (recipe == "auto") return is_dense(dataset) ? "dense" : "sparse";
  if (recipe == "dense" || recipe == "sparse") return recipe;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("recipe is \"{}\": expected auto, dense or sparse", recipe), "recipe");
}

Result<void> refuse_unread(std::initializer_list<std::pair<std::string_view, bool>> options,
                           std::string_view why) {
  for (const auto& [key, is_set] : options) {
    if (is_set)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is set, but does nothing: {}", key, why), std::string(key));
  }
  return {};
}

}  // namespace rapport::retrieval
