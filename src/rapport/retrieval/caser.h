// Caser: convolutions over the newest few items of a history predict the next one.
//
//   const CaserShape shape{.items = dataset.items(), .window = 5};
//   Caser model(shape, weights);            // weights: [caser_weights(shape).total] floats
//   model.score(queries, scores);
//
// Source: Tang & Wang 2018. Items enter by one embedding and are scored by another, twice as wide:
// one half multiplies what the window says, the other the user's vector. Training learns a vector
// for each user; the model has for everybody one that is made of the history (fold_in.h), so that
// users who came later have one too. Items have no biases. Histories shorter than the window are
// padded with zeros in front.
// This file is the model itself; training: training/train_caser.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rapport/retrieval/caser_layer.h"
#include "rapport/retrieval/sequence_model.h"

namespace rapport::retrieval {

/// The sizes that its weights follow from.
struct CaserShape {
  std::int64_t items = 0;
  std::int64_t dimension = 64;   // of items, as they enter, and of users
  std::int64_t window = 5;       // newest items that are read
  std::int64_t heights = 5;      // horizontal filters see 1 … so many items at once
  std::int64_t horizontal = 16;  // filters of each height
  std::int64_t vertical = 4;     // filters
  /// Newest items that the user's vector is made of; 0: there is none.
  std::int64_t history = 0;

  std::int64_t features() const { return heights * horizontal + vertical * dimension; }
  /// Of the vectors that score items: what the window says, then the user's.
  std::int64_t scored_width() const { return history > 0 ? 2 * dimension : dimension; }
  /// Newest items that are read.
  std::int64_t max_length() const { return std::max(history, window); }
  /// Errors: kInvalidArgument naming the size that is out of range.
  Result<void> check() const;
  Json to_json() const;
  /// Errors: kCorrupt.
  static Result<CaserShape> from_json(const Json& json);
  bool operator==(const CaserShape&) const = default;
};

/// Where everything lies.
struct CaserWeights : WeightLayout {
  std::int64_t item_embedding = 0;       // [items × scored_width]
  std::int64_t input_embedding = 0;      // [items × dimension]
  std::vector<std::int64_t> horizontal;  // as CaserLayer has them, and the next two
  std::int64_t horizontal_bias = 0, vertical = 0;
  std::int64_t output_weight = 0, output_bias = 0;  // [features × dimension], [dimension]
  /// Last, with `history`. Of a model [items × dimension]: what having taken each item says of a
  /// user, whose vector is the mean. In training [users × dimension]: the users' own.
  std::int64_t user = 0;
};
CaserWeights caser_weights(const CaserShape& shape);
CaserWeights caser_training_weights(const CaserShape& shape, std::int64_t users);

/// The convolutions of a flat array of weights.
CaserLayer caser_layer(const CaserShape& shape, const CaserWeights& layout, const float* weights);

class Caser final : public SequenceModel {
 public:
  /// `weights` has caser_weights(shape).total floats.
  Caser(const CaserShape& shape, std::vector<float> weights);

  std::string_view kind() const override { return "caser"; }
  const CaserShape& shape() const { return shape_; }

  /// Errors: kCorrupt for a tensor that is missing or of another shape.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

 private:
  Caser(const CaserShape& shape, CaserWeights layout, std::vector<float> weights);
  Json do_shape() const override { return shape_.to_json(); }
  void do_encode(const PackedSequences& batch, std::span<float> hidden) const override;
  std::int64_t do_rows(std::int64_t) const override { return shape_.window; }

  CaserShape shape_;
  CaserWeights layout_;
};

}  // namespace rapport::retrieval
