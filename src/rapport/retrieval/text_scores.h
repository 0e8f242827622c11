// The part of a sequence model's scores that reads text: candidates that read like the newest items
// of a history get more, how much more is learnt.
//
//   score_j += Σ_a w_a · K[item a places before the newest, j],   w = hidden · W + b
//
// K is ten times the product of two items' text features: of each item, the others that read most
// alike (training/item_text.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "rapport/retrieval/cross_entropy.h"
#include "rapport/retrieval/retriever.h"
#include "rapport/retrieval/sparse_matrix.h"
#include "rapport/retrieval/weight_layout.h"

namespace rapport::retrieval {

/// Where the gate lies in a flat array of weights.
struct TextGateWeights {
  std::int64_t weight = 0;  // [dimension × items read], W
  std::int64_t bias = 0;    // [items read], b
};
/// Lays them behind what is there.
TextGateWeights add_text_gate(WeightLayout& layout, std::int64_t dimension,
                              std::int64_t items_read);

/// The newest items of `history`, newest first; then -1, `newest.size()` in all.
void newest_items(std::span<const data::ItemIndex> history, std::span<std::int32_t> newest);

/// Immutable; thread-safe.
class TextScores {
 public:
  /// `gate` is laid out as add_text_gate has it, alone.
  TextScores(std::shared_ptr<const SparseMatrix> kernel, std::int64_t dimension,
             std::int64_t items_read, std::vector<float> gate);

  /// scores [queries × items] += what the text says, with hidden [queries × dimension].
  void add(std::span<const Query> queries, const float* hidden, std::span<float> scores) const;

  Json to_json() const;
  void save(base::SafetensorsWriter& writer) const;
  /// Of a model directory; none when its options name none. Errors: kCorrupt.
  static Result<std::optional<TextScores>> read(const Json& options, const base::Safetensors& file,
                                                std::int64_t items, std::int64_t dimension);

 private:
  std::shared_ptr<const SparseMatrix> kernel_;  // [items × items]
  std::int64_t dimension_, items_read_;
  WeightLayout layout_;
  TextGateWeights places_;
  std::vector<float> gate_;
};

}  // namespace rapport::retrieval
