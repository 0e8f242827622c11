// SASRec: self-attention over a user's items, newest last, predicts the next one.
//
//   const SasrecShape shape{.items = dataset.items(), .max_length = 50};
//   Sasrec model(shape, weights);           // weights: [sasrec_weights(shape).total] floats
//   model.score(queries, scores);
//
// Source: Kang & McAuley 2018, with the full softmax cross-entropy of Klenitskiy & Vasilev 2023
// (training: training/train_sasrec.h). This file is the model itself and needs no libtorch: it runs
// wherever the server does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rapport/base/safetensors.h"
#include "rapport/retrieval/cross_entropy.h"
#include "rapport/retrieval/retriever.h"

namespace rapport::retrieval {

/// The sizes that its weights follow from.
struct SasrecShape {
  std::int64_t items = 0;
  std::int64_t dimension = 64;  // of items and hidden states
  std::int64_t blocks = 2;      // attention and feed-forward
  std::int64_t heads = 1;       // divides `dimension`
  std::int64_t max_length =
      50;  // newest items that are read; position max_length - 1 is the newest

  /// Errors: kInvalidArgument naming the size that is out of range.
  Result<void> check() const;
  Json to_json() const;
  /// Errors: kCorrupt.
  static Result<SasrecShape> from_json(const Json& json);
  bool operator==(const SasrecShape&) const = default;
};

/// One named matrix or vector inside the flat array of weights.
struct WeightPlace {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  // floats from the start
  std::int64_t size = 0;    // floats
};

/// Offsets of one block's parts. Matrices are [in × out] and applied as x · W + b.
struct SasrecBlock {
  std::int64_t attention_norm_weight, attention_norm_bias;
  std::int64_t query_weight, query_bias;
  std::int64_t key_value_weight, key_value_bias;  // [d × 2d], [2d]
  std::int64_t output_weight, output_bias;
  std::int64_t feed_forward_norm_weight, feed_forward_norm_bias;
  std::int64_t inner_weight, inner_bias;  // feed-forward, before the ReLU
  std::int64_t outer_weight, outer_bias;  // and after it
};

/// Where everything lies. Training, file and inference share this one description.
struct SasrecWeights {
  std::int64_t item_embedding = 0;      // [items × d]
  std::int64_t position_embedding = 0;  // [max_length × d]
  std::vector<SasrecBlock> blocks;
  std::int64_t final_norm_weight = 0, final_norm_bias = 0;
  std::int64_t total = 0;  // floats
  std::vector<WeightPlace> places;
};
SasrecWeights sasrec_weights(const SasrecShape& shape);

inline constexpr float kSasrecNormEpsilon = 1e-8f;

/// A batch of sequences laid end to end, without padding.
struct PackedSequences {
  std::vector<std::int32_t> items;          // [positions]
  std::vector<std::int32_t> positions;      // [positions] rows of the position embedding
  std::vector<std::int64_t> offsets = {0};  // [sequences + 1]

  /// The newest `max_length` of `sequence`; nothing when it is empty.
  void add(std::span<const data::ItemIndex> sequence, std::int64_t max_length);
  std::int64_t sequences() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t size() const { return offsets.back(); }
};

class Sasrec final : public Retriever {
 public:
  /// `weights` has sasrec_weights(shape).total floats.
  Sasrec(const SasrecShape& shape, std::vector<float> weights);

  std::string_view kind() const override { return "sasrec"; }
  const SasrecShape& shape() const { return shape_; }

  /// hidden [queries × dimension]: what the scores are the products of with the item embedding. A
  /// query without history gets zeros, hence equal scores.
  void encode(std::span<const Query> queries, std::span<float> hidden) const;

  /// Errors: kCorrupt for a tensor that is missing or of another shape.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

 private:
  void do_score(std::span<const Query> queries, std::span<float> scores) const override;
  Json do_options() const override { return shape_.to_json(); }
  void do_save(base::SafetensorsWriter& writer) const override;
  const float* at(std::int64_t offset) const { return weights_.data() + offset; }
  void encode_packed(const PackedSequences& batch, std::span<float> hidden) const;

  SasrecShape shape_;
  SasrecWeights layout_;
  std::vector<float> weights_;
  ItemPanels panels_;  // of the item embedding, for the scores
};

}  // namespace rapport::retrieval
