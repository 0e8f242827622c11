// The options that every model of sequences has, and what all recipes are told by.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "rapport/base/config.h"
#include "rapport/base/json.h"
#include "rapport/data/dataset.h"
#include "rapport/retrieval/training_loop.h"

namespace rapport::retrieval {

/// As asked for; a model's `resolved` puts its own values in place of those that are not.
struct TrainingOptions {
  double learning_rate = 1e-3;       // of Adam
  double weight_decay = 0;           // L2 on all weights
  std::int64_t batch_positions = 0;  // items predicted a step
  LoopOptions loop = {};
  /// "cpu", or "cuda": a GPU through libtorch (training/device_gradient.h).
  std::string device = "cpu";

  void describe(base::OptionSet& set);
  /// `covered`: with its other options the model is one that a GPU trains. Errors: kInvalidArgument
  /// (param: device).
  Result<void> check_device(bool covered) const;
  /// Into the flat JSON object of a model's options.
  void add_to(Json& json) const;
};

/// `most`, less on small data sets so that an epoch has 40 steps, at least 500: positions a step.
std::int64_t usual_batch_positions(const data::Dataset& dataset, std::int64_t max_length,
                                   std::int64_t most);

/// True for long histories, as MovieLens has them: 30 interactions a user and more.
bool is_dense(const data::Dataset& dataset);
/// The option of which resolved_recipe makes a word.
void describe_recipe(base::OptionSet& set, std::string& recipe);
/// "dense" or "sparse", which "auto" becomes by is_dense. Errors: kInvalidArgument for another
/// word.
Result<std::string> resolved_recipe(const std::string& recipe, const data::Dataset& dataset);

/// Errors: kInvalidArgument, naming the first of `options` that is set (its key, and whether it
/// is), with why nothing reads it: an option that does nothing is a mistake of who set it.
Result<void> refuse_unread(std::initializer_list<std::pair<std::string_view, bool>> options,
                           std::string_view why);

}  // namespace rapport::retrieval
