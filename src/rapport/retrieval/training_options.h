// The options that every gradient-trained model has.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/base/config.h"
#include "rapport/base/json.h"
#include "rapport/data/dataset.h"

namespace rapport::retrieval {

/// As asked for; a model's `resolved` puts its own values in place of those that are not.
struct TrainingOptions {
  double learning_rate = 1e-3;       // of Adam
  double weight_decay = 0;           // L2 on all weights
  std::int64_t batch_positions = 0;  // items predicted a step, of whole sequences
  std::int64_t epochs = 200;         // at most
  std::int64_t patience = 20;        // epochs without a better validation NDCG@10 before it ends
  std::int64_t evaluate_every = 1;   // epochs
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
/// "dense" or "sparse", which "auto" becomes by is_dense. Errors: kInvalidArgument for another
/// word.
Result<std::string> resolved_recipe(const std::string& recipe, const data::Dataset& dataset);

}  // namespace rapport::retrieval
