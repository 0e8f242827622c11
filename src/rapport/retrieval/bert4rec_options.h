// How BERT4Rec is trained: each option with its default and where the default comes from.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/retrieval/bert4rec.h"
#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

/// Zero or a negative number stands for what `resolved` takes from the recipe. The dense share of
/// masked items is the source's; the sparse rate, dropout and share and the average were chosen on
/// the validation items of Amazon Beauty.
struct Bert4recOptions {
  /// "dense" for long histories (MovieLens-1M), "sparse" for short ones (Amazon Beauty); "auto"
  /// takes dense from 30 interactions a user on.
  std::string recipe = "auto";
  std::int64_t dimension = 64;
  std::int64_t blocks = 2;
  std::int64_t heads = 4;
  std::int64_t inner = 256;
  std::int64_t max_length = 0;  // 200 dense, 50 sparse
  double dropout = -1;          // 0.1 dense, 0.2 sparse
  /// Share of a sequence's items that are masked, (0, 1); 0: 0.2 dense, 0.5 sparse.
  double mask_share = 0;
  /// Share of the sequences that are masked as inference masks: one item, the last, with nothing
  /// behind it; negative: 0.1.
  double last_share = -1;
  /// With 0 and -1: learning_rate 1e-3 dense, 3e-3 sparse; weight_decay 0; batch_positions, which
  /// counts items read, masked ones among them, 4,000 dense and 3,000 sparse, less on small data
  /// sets.
  TrainingOptions training = {.learning_rate = 0, .weight_decay = -1, .loop = {.average = 10}};

  void describe(base::OptionSet& set);
  /// With every recipe value filled in. Errors: kInvalidArgument, naming the option.
  Result<Bert4recOptions> resolved(const data::Dataset& dataset) const;
  Bert4recShape shape(std::int64_t items) const;
  Json to_json() const;
};

}  // namespace rapport::retrieval
