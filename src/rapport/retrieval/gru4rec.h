// GRU4Rec: a recurrent network reads a user's items, oldest first; its last state predicts the next
// one.
//
//   const Gru4recShape shape{.items = dataset.items(), .max_length = 50};
//   Gru4rec model(shape, weights);          // weights: [gru4rec_weights(shape).total] floats
//   model.score(queries, scores);
//
// Source: Hidasi, Karatzoglou, Baltrunas & Tikk 2016. As in the public runs with cross-entropy
// (Xu et al. 2024), items enter by the embedding that scores them too, and the state is projected
// to its dimension. This file is the model itself; training: training/train_gru4rec.h.
#pragma once

#include <cstdint>
#include <vector>

#include "rapport/retrieval/gru_layer.h"
#include "rapport/retrieval/sequence_model.h"

namespace rapport::retrieval {

/// The sizes that its weights follow from.
struct Gru4recShape {
  std::int64_t items = 0;
  std::int64_t dimension = 64;   // of items
  std::int64_t hidden = 128;     // of states
  std::int64_t layers = 1;       // recurrent, one on top of the other
  std::int64_t max_length = 50;  // newest items that are read

  /// Errors: kInvalidArgument naming the size that is out of range.
  Result<void> check() const;
  Json to_json() const;
  /// Errors: kCorrupt.
  static Result<Gru4recShape> from_json(const Json& json);
  bool operator==(const Gru4recShape&) const = default;
};

/// Offsets of one layer's parts, as GruLayer describes them.
struct Gru4recLayer {
  std::int64_t input_weight, recurrent_weight, input_bias, recurrent_bias;
};

/// Where everything lies.
struct Gru4recWeights : WeightLayout {
  std::int64_t item_embedding = 0;  // [items × dimension]
  std::vector<Gru4recLayer> layers;
  std::int64_t output_weight = 0, output_bias = 0;  // [hidden × dimension], [dimension]
};
Gru4recWeights gru4rec_weights(const Gru4recShape& shape);

/// Layer `index` of a flat array of weights.
GruLayer gru4rec_layer(const Gru4recShape& shape, const Gru4recWeights& layout, std::size_t index,
                       const float* weights);

class Gru4rec final : public SequenceModel {
 public:
  /// `weights` has gru4rec_weights(shape).total floats.
  Gru4rec(const Gru4recShape& shape, std::vector<float> weights,
          std::optional<TextScores> text = std::nullopt);

  std::string_view kind() const override { return "gru4rec"; }
  const Gru4recShape& shape() const { return shape_; }

  /// Errors: kCorrupt for a tensor that is missing or of another shape.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

 private:
  Gru4rec(const Gru4recShape& shape, Gru4recWeights layout, std::vector<float> weights,
          std::optional<TextScores> text);
  Json do_shape() const override { return shape_.to_json(); }
  void do_encode(const PackedSequences& batch, std::span<float> hidden) const override;

  Gru4recShape shape_;
  Gru4recWeights layout_;
};

}  // namespace rapport::retrieval
