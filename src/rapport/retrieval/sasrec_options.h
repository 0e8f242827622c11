// How SASRec is trained: each option with its default and where the default comes from.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/retrieval/next_item_loss.h"
#include "rapport/retrieval/sasrec.h"
#include "rapport/retrieval/text_options.h"
#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

/// Zero or a negative number stands for what `resolved` takes from the recipe. Source of the
/// recipes: Klenitskiy & Vasilev 2023 and the published SASRec + CE runs on both data sets;
/// docs/benchmarks.md has what this code reaches with them.
struct SasrecOptions {
  /// "dense" for long histories (MovieLens-1M), "sparse" for short ones (Amazon Beauty); "auto"
  /// takes dense from 30 interactions a user on.
  std::string recipe = "auto";
  std::int64_t dimension = 64;
  std::int64_t blocks = 2;
  std::int64_t heads = 1;
  std::int64_t max_length = 0;  // 200 dense, 50 sparse
  double dropout = -1;          // 0.1 dense, 0.6 sparse
  NextItemLossOptions loss;
  TextOptions text;
  /// With 0 and -1: learning_rate 1e-3 dense, 5e-4 sparse; weight_decay 1e-6 and 1e-8;
  /// batch_positions 13,000 and 3,000 (the recipes' 128 and 512 users), less on small data sets.
  TrainingOptions training = {.learning_rate = 0, .weight_decay = -1};

  void describe(base::OptionSet& set);
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<SasrecOptions> resolved(const data::Dataset& dataset) const;
  SasrecShape shape(std::int64_t items) const;
  Json to_json() const;
};

}  // namespace rapport::retrieval
