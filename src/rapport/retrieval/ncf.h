// Neural collaborative filtering (He, Liao, Zhang, Nie, Hu & Chua 2017), the model NeuMF: a
// generalised matrix factorisation (GMF) beside a multilayer perceptron (MLP), each with embeddings
// of its own, one layer over both:
//
//   score = g · (p_u ⊙ q_i) + o · relu(W₃ relu(W₂ relu(U p'_u + V q'_i + b₁) + b₂) + b₃) + c
//
// The first layer is split into the user's part and the item's, so that what is left to do for
// each pair is small. p_u and U p'_u of a user are the mean over the history of what each item
// says of those who took it (fold_in.h), for everybody. Training: ncf_trainer.h.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rapport/retrieval/item_panels.h"
#include "rapport/retrieval/retriever.h"
#include "rapport/retrieval/weight_layout.h"

namespace rapport::retrieval {

struct NcfShape {
  std::int64_t items = 0;
  std::int64_t dimension = 32;  // of the GMF's embeddings
  /// Of the MLP's embeddings and its first layer, a multiple of 4; half as many in the second, a
  /// quarter in the third.
  std::int64_t hidden = 32;

  std::int64_t second() const { return hidden / 2; }
  std::int64_t third() const { return hidden / 4; }
  std::int64_t width() const { return dimension + hidden; }  // of a user

  /// Errors: kInvalidArgument naming the size that is out of range.
  Result<void> check() const;
};

/// The layers that users and items share, in training and after.
struct NcfTower {
  std::int64_t second_weight = 0, second_bias = 0;  // [hidden × second], [second]
  std::int64_t third_weight = 0, third_bias = 0;    // [second × third], [third]
  std::int64_t output_weight = 0, output_bias = 0;  // [third], [1]

  static NcfTower add_to(const NcfShape& shape, WeightLayout& layout);
};

/// Of the model that is served.
struct NcfWeights : WeightLayout {
  std::int64_t taken = 0;   // [items × width], whose mean over the history is the user
  std::int64_t item = 0;    // [items × dimension]: g ⊙ q
  std::int64_t hidden = 0;  // [items × hidden]: V q' + b₁
  NcfTower tower;
};
NcfWeights ncf_weights(const NcfShape& shape);

class Ncf final : public Retriever {
 public:
  /// `weights` has ncf_weights(shape).total floats.
  Ncf(const NcfShape& shape, std::vector<float> weights);
  /// Errors: kCorrupt.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

  std::string_view kind() const override { return "ncf"; }

 private:
  Result<void> do_score(std::span<const Query> queries, std::span<float> scores) const override;
  Json do_options() const override;
  void do_save(base::SafetensorsWriter& writer) const override;

  const float* at(std::int64_t offset) const { return weights_.data() + offset; }
  void add_tower(const float* user, float* scores, std::vector<float>& layers) const;

  NcfShape shape_;
  NcfWeights layout_;
  std::vector<float> weights_;
  ItemPanels items_, hidden_;
};

}  // namespace rapport::retrieval
