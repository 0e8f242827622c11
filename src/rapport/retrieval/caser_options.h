// How Caser is trained: each option with its default and where the default comes from.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/retrieval/caser.h"
#include "rapport/retrieval/next_item_loss.h"
#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

/// Zero or a negative number stands for what `resolved` takes from the recipe. Source: Tang & Wang
/// 2018 and their code (filters); the public runs of Xu et al. 2024 (dimension,
/// sparse window and dropout). Chosen on the validation of MovieLens-1M, hence dense: user, dropout
/// and vertical with all users, window and initial_deviation with a quarter of them, few epochs
/// each. The rest has not been, nor whether sparse ones gain by `user`.
struct CaserOptions {
  /// "dense" for long histories (MovieLens-1M), "sparse" for short ones (Amazon Beauty); "auto"
  /// takes dense from 30 interactions a user on.
  std::string recipe = "auto";
  std::int64_t dimension = 64;
  std::int64_t window = 0;       // 10 dense, 5 sparse
  std::int64_t heights = 0;      // at most 5, and no more than the window
  std::int64_t horizontal = 16;  // filters of each height
  std::int64_t vertical = 0;     // filters: 8 dense, 4 sparse
  /// Whether the whole history, as far as max_length, stands for the user's vector.
  bool user = true;
  /// Newest items of a history that are predicted in training, and in the user's vector: 200 dense,
  /// 50 sparse.
  std::int64_t max_length = 0;
  double dropout = -1;  // of features: 0.5 dense, 0.4 sparse
  /// Of the item vectors at the start, standard deviation: 0.1 dense; 0, which is Xavier's, sparse.
  double initial_deviation = -1;
  NextItemLossOptions loss;
  /// With 0 and -1: learning_rate 2e-3 dense, 1e-3 sparse; weight_decay 0; batch_positions 9,000
  /// and 3,000, less on small data sets.
  TrainingOptions training = {.learning_rate = 0, .weight_decay = -1};

  void describe(base::OptionSet& set);
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<CaserOptions> resolved(const data::Dataset& dataset) const;
  CaserShape shape(std::int64_t items) const;
  Json to_json() const;
};

}  // namespace rapport::retrieval
