// How Caser is trained: each option with its default and where the default comes from.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/retrieval/caser.h"
#include "rapport/retrieval/next_item_loss.h"
#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

/// What `resolved` fills in is said beside each. Source: Tang & Wang 2018 and their code (filters);
/// the public runs of Xu et al. 2024 (dimension, window, dropout, sparse weight_decay,
/// initial_deviation). Their learning rate of 1e-4 for 512 windows a step is dense 1e-3 for 4,000
/// here, which comes to as much in fewer steps; sparse 3e-3 for 2,000 (theirs: 5e-3 for 512) was
/// the only one tried beside 1e-3 without decay.
struct CaserOptions {
  /// "dense" for long histories (MovieLens-1M), "sparse" for short ones (Amazon Beauty); "auto"
  /// takes dense from 30 interactions a user on.
  std::string recipe = "auto";
  std::int64_t dimension = 64;
  std::int64_t window = 5;
  std::int64_t heights = 0;      // 0: at most 5, and no more than the window
  std::int64_t horizontal = 16;  // filters of each height
  std::int64_t vertical = 4;     // filters
  /// Whether users have a vector.
  bool user = true;
  /// Newest items of a history that are predicted in training, and that the user's vector is made
  /// of. 0: 1,000 dense, 50 sparse.
  std::int64_t max_length = 0;
  double dropout = -1;  // of features; negative: 0.4 dense, 0.7 sparse
  /// Of item and user vectors at the start, standard deviation; 0 is Xavier's, negative
  /// 1/dimension.
  double initial_deviation = -1;
  NextItemLossOptions loss;
  /// With 0 and -1: learning_rate 1e-3 dense, 3e-3 sparse; weight_decay 0 dense, 5e-4 sparse;
  /// batch_positions 4,000 dense, 2,000 sparse, less on small data sets.
  TrainingOptions training = {.learning_rate = 0, .weight_decay = -1};

  void describe(base::OptionSet& set);
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<CaserOptions> resolved(const data::Dataset& dataset) const;
  CaserShape shape(std::int64_t items) const;
  Json to_json() const;
};

}  // namespace rapport::retrieval
