// Scores that are products of factors: of the user and the item (matrix factorisation), and of the
// previous and the next item where the model has transitions (FPMC).
//
// A user's factors are the mean, over the history, of what each item says of those who took it
// (fold_in.h). Users of the training are no exception: factors of their own would not know what
// they took since, and are no better on what comes next (docs/models.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "rapport/retrieval/item_panels.h"
#include "rapport/retrieval/retriever.h"
#include "rapport/retrieval/weight_layout.h"

namespace rapport::retrieval {

struct FactorShape {
  std::int64_t items = 0, dimension = 64;
  bool bias = true;
  bool transitions = false;

  /// Width of an item's row where all that scores it is side by side.
  std::int64_t width() const { return (transitions ? 2 : 1) * dimension + (bias ? 1 : 0); }
};

struct FactorWeights : WeightLayout {
  std::int64_t taken = 0;     // [items × dimension], whose mean over the history is the user
  std::int64_t item = 0;      // [items × dimension]
  std::int64_t bias = 0;      // [items], with biases
  std::int64_t previous = 0;  // [items × dimension], with transitions
  std::int64_t next = 0;      // [items × dimension], with transitions
};
FactorWeights factor_weights(const FactorShape& shape);

class FactorModel final : public Retriever {
 public:
  /// `kind` is a name of the registry; `weights` has factor_weights(shape).total floats.
  FactorModel(std::string_view kind, const FactorShape& shape, std::vector<float> weights);
  /// With the sizes of `options` and the parts of `parts`. Errors: kCorrupt.
  static Result<std::unique_ptr<Retriever>> load(std::string_view kind, FactorShape parts,
                                                 const Json& options,
                                                 const base::Safetensors& file);

  std::string_view kind() const override { return kind_; }

 private:
  Result<void> do_score(std::span<const Query> queries, std::span<float> scores) const override;
  Json do_options() const override;
  void do_save(base::SafetensorsWriter& writer) const override;

  const float* at(std::int64_t offset) const { return weights_.data() + offset; }

  std::string_view kind_;
  FactorShape shape_;
  FactorWeights layout_;
  std::vector<float> weights_;
  ItemPanels panels_;  // item, next and bias side by side
};

}  // namespace rapport::retrieval
