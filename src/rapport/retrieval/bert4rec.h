// BERT4Rec: a transformer that reads a user's items in both directions learns to fill in masked
// ones; a mask behind the newest item then stands for the next.
//
//   const Bert4recShape shape{.items = dataset.items(), .max_length = 50};
//   Bert4rec model(shape, weights);         // weights: [bert4rec_weights(shape).total] floats
//   model.score(queries, scores);
//
// Source: Sun et al. 2019. Three things differ from it: norms stand in front of each half of a
// block and behind the last (Radford et al. 2019), the last state scores items as it is, without
// one more layer and biases, and items enter times √dimension, as in SASRec. This file is the model
// itself and needs no libtorch; its encoder: bert4rec_encoder.h; training:
// training/train_bert4rec.h.
#pragma once

#include <cstdint>
#include <vector>

#include "rapport/retrieval/sequence_model.h"
#include "rapport/retrieval/transformer_block.h"

namespace rapport::retrieval {

/// The sizes that its weights follow from.
struct Bert4recShape {
  std::int64_t items = 0;
  std::int64_t dimension = 64;  // of items and hidden states
  std::int64_t blocks = 2;
  std::int64_t heads = 4;    // divides `dimension`
  std::int64_t inner = 256;  // of the feed-forward networks
  /// Positions, the mask's included, which is the last: max_length - 1 items are read.
  std::int64_t max_length = 50;

  /// Errors: kInvalidArgument naming the size that is out of range.
  Result<void> check() const;
  Json to_json() const;
  /// Errors: kCorrupt.
  static Result<Bert4recShape> from_json(const Json& json);
  bool operator==(const Bert4recShape&) const = default;

  TransformerShape block() const { return {dimension, heads, inner}; }
  /// Stands in a sequence for an item that is to be predicted.
  std::int32_t mask() const { return static_cast<std::int32_t>(items); }
};

/// Where everything lies.
struct Bert4recWeights : WeightLayout {
  std::int64_t item_embedding = 0;      // [items × d]
  std::int64_t mask_embedding = 0;      // [d], right behind: that of item `items`
  std::int64_t position_embedding = 0;  // [max_length × d]
  std::vector<TransformerBlock> blocks;
  std::int64_t final_norm_weight = 0, final_norm_bias = 0;
};
Bert4recWeights bert4rec_weights(const Bert4recShape& shape);

class Bert4rec final : public SequenceModel {
 public:
  /// `weights` has bert4rec_weights(shape).total floats.
  Bert4rec(const Bert4recShape& shape, std::vector<float> weights);

  std::string_view kind() const override { return "bert4rec"; }
  const Bert4recShape& shape() const { return shape_; }

  /// Errors: kCorrupt for a tensor that is missing or of another shape.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

 private:
  Bert4rec(const Bert4recShape& shape, const Bert4recWeights& layout, std::vector<float> weights);
  Json do_shape() const override { return shape_.to_json(); }
  void do_encode(const PackedSequences& batch, std::span<float> hidden) const override;
  std::int64_t do_rows(std::int64_t length) const override { return length + 1; }

  Bert4recShape shape_;
};

}  // namespace rapport::retrieval
