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

#include "rapport/retrieval/sequence_model.h"
#include "rapport/retrieval/transformer_block.h"

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

/// The parts that every transformer's block has, the feed-forward network as wide as the rest, with
/// a ReLU.
using SasrecBlock = TransformerBlock;

/// Where everything lies.
struct SasrecWeights : WeightLayout {
  std::int64_t item_embedding = 0;      // [items × d]
  std::int64_t position_embedding = 0;  // [max_length × d]
  std::vector<SasrecBlock> blocks;
  std::int64_t final_norm_weight = 0, final_norm_bias = 0;
};
SasrecWeights sasrec_weights(const SasrecShape& shape);

inline constexpr float kSasrecNormEpsilon = kTransformerNormEpsilon;

class Sasrec final : public SequenceModel {
 public:
  /// `weights` has sasrec_weights(shape).total floats.
  Sasrec(const SasrecShape& shape, std::vector<float> weights,
         std::optional<TextScores> text = std::nullopt);

  std::string_view kind() const override { return "sasrec"; }
  const SasrecShape& shape() const { return shape_; }

  /// Errors: kCorrupt for a tensor that is missing or of another shape.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

 private:
  Sasrec(const SasrecShape& shape, SasrecWeights layout, std::vector<float> weights,
         std::optional<TextScores> text);
  Json do_shape() const override { return shape_.to_json(); }
  void do_encode(const PackedSequences& batch, std::span<float> hidden) const override;

  SasrecShape shape_;
  SasrecWeights layout_;
};

}  // namespace rapport::retrieval
