// How Caser is trained: each option with its default and where the default comes from.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/retrieval/caser.h"
#include "rapport/retrieval/next_item_loss.h"
#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

struct CaserOptions {
  std::string recipe = "auto";
  std::int64_t dimension = 64;
  std::int64_t window = 0;
  std::int64_t heights = 0;
  std::int64_t horizontal = 16;
  std::int64_t vertical = 4;
  std::int64_t max_length = 0;
  double dropout = -1;
  NextItemLossOptions loss;
  TrainingOptions training = {.learning_rate = 0, .weight_decay = -1};

  void describe(base::OptionSet& set);
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<CaserOptions> resolved(const data::Dataset& dataset) const;
  CaserShape shape(std::int64_t items) const;
  Json to_json() const;
};

}  // namespace rapport::retrieval
