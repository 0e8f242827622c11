// How models of sequences read the text of items: the options that they share.
#pragma once

#include <cstdint>

#include "rapport/base/config.h"
#include "rapport/base/json.h"
#include "rapport/data/dataset.h"
#include "rapport/retrieval/next_item_loss.h"
#include "rapport/retrieval/text_features.h"

namespace rapport::retrieval {

struct TextOptions {
  bool text = false;
  std::int64_t text_items = 10;   // newest items of a history that candidates are compared with
  std::int64_t neighbours = 500;  // items of each that are compared with it, those that read alike
  TextFeatureOptions features = {};  // min_df, max_df

  void describe(base::OptionSet& set);
  /// For a model that reads `max_length` items. Errors: kInvalidArgument for text where the data
  /// have none, or with a loss over sampled items, which the text has no part in; for the other
  /// options without text.
  Result<TextOptions> resolved(const data::Dataset& dataset, const NextItemLossOptions& loss,
                               std::int64_t max_length) const;
  /// Into the flat JSON object of a model's options.
  void add_to(Json& json) const;
};

}  // namespace rapport::retrieval
