// How GRU4Rec is trained: each option with its default and where the default comes from.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/retrieval/gru4rec.h"
#include "rapport/retrieval/next_item_loss.h"
#include "rapport/retrieval/text_options.h"
#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

/// Zero or a negative number stands for what `resolved` takes from the recipe. Source: the public
/// runs of Xu et al. 2024 (dimension, states, dropout); the average is chosen on the validation
/// items of Amazon Beauty; the rest has not been chosen on validation yet.
struct Gru4recOptions {
  /// "dense" for long histories (MovieLens-1M), "sparse" for short ones (Amazon Beauty); "auto"
  /// takes dense from 30 interactions a user on.
  std::string recipe = "auto";
  std::int64_t dimension = 64;
  std::int64_t hidden = 128;
  std::int64_t layers = 1;
  std::int64_t max_length = 0;  // 200 dense, 50 sparse
  double dropout = -1;          // 0.3
  NextItemLossOptions loss;
  TextOptions text;
  /// With 0 and -1: learning_rate 2e-3 dense, 1e-3 sparse; weight_decay 0; batch_positions 9,000
  /// and 3,000, less on small data sets.
  TrainingOptions training = {.learning_rate = 0, .weight_decay = -1, .loop = {.average = 10}};

  void describe(base::OptionSet& set);
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<Gru4recOptions> resolved(const data::Dataset& dataset) const;
  Gru4recShape shape(std::int64_t items) const;
  Json to_json() const;
};

}  // namespace rapport::retrieval
