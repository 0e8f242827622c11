// Scores that are products of factors: of the user and the item (matrix factorisation), and of the
// previous and the next item where the model has transitions (FPMC).
//
// A user that the model was trained on has factors of their own. For anybody else they are derived
// from the history: the mean of its items' factors times the matrix that best makes users' factors
// out of that mean (a ridge regression over the users of the training). A user's number alone does
// not tell which of both it is: another data set over the same catalogue numbers its users
// otherwise. So each row keeps a mark of the history that it was trained on, and serves only
// histories that begin with it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "rapport/retrieval/item_panels.h"
#include "rapport/retrieval/pairwise_sgd.h"
#include "rapport/retrieval/retriever.h"
#include "rapport/retrieval/weight_layout.h"

namespace rapport::retrieval {

struct FactorShape {
  std::int64_t users = 0, items = 0, dimension = 64;
  bool transitions = false;

  /// Of a model directory. Errors: kCorrupt.
  static Result<FactorShape> from_json(const Json& json, bool transitions);
  Json to_json() const;
};

struct FactorWeights : WeightLayout {
  std::int64_t user = 0;     // [users × dimension]
  std::int64_t item = 0;     // [items × dimension]
  std::int64_t bias = 0;     // [items]
  std::int64_t fold_in = 0;  // [dimension × dimension] mean of items → user, row by row of items
  std::int64_t trained_on = 0;  // [users × 2] mark of the training history
  std::int64_t previous = 0;    // [items × dimension], with transitions
  std::int64_t next = 0;        // [items × dimension], with transitions

  PairwiseFactors factors(const FactorShape& shape, std::span<float> weights) const;
};
FactorWeights factor_weights(const FactorShape& shape);

/// Length and hash of a history, both whole numbers that a float holds exactly.
struct HistoryMark {
  float length = 0, hash = 0;
};
HistoryMark mark_of(std::span<const data::ItemIndex> history);

/// Writes the matrix that makes users' factors out of those of their items. histories [users]: what
/// each was trained on; empty ones are left out.
void fit_fold_in(const FactorShape& shape,
                 std::span<const std::span<const data::ItemIndex>> histories,
                 std::span<float> weights);

class FactorModel final : public Retriever {
 public:
  FactorModel(const FactorShape& shape, std::vector<float> weights);
  /// Errors: kCorrupt.
  static Result<std::unique_ptr<Retriever>> load(const Json& options, const base::Safetensors& file,
                                                 bool transitions);

  /// "fpmc" with transitions, "bprmf" without.
  std::string_view kind() const override { return shape_.transitions ? "fpmc" : "bprmf"; }
  /// True when the model has factors of this user that fit the history.
  bool knows(const Query& query) const;

 private:
  void do_score(std::span<const Query> queries, std::span<float> scores) const override;
  Json do_options() const override { return shape_.to_json(); }
  void do_save(base::SafetensorsWriter& writer) const override;

  const float* at(std::int64_t offset) const { return weights_.data() + offset; }
  void fold_in(std::span<const data::ItemIndex> history, float* user) const;

  FactorShape shape_;
  FactorWeights layout_;
  std::vector<float> weights_;
  ItemPanels panels_;  // item, next and bias side by side
};

}  // namespace rapport::retrieval
