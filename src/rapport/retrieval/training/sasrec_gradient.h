// The loss of SASRec on a batch and its gradient: libtorch's autograd over operations of our own
// where the time goes.
//
//   SasrecGradient gradient(shape, dropout);
//   const double loss = gradient.add(batch, weights, panels, scale, key, gradients);
//
// What is different from the textbook's padded batch: sequences lie end to end, so that no
// position is wasted; attention runs per sequence on the part below the diagonal; the [positions ×
// items] logits are never materialised (cross_entropy.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/retrieval/cross_entropy.h"
#include "rapport/retrieval/sasrec.h"

namespace rapport::retrieval {

/// Sequences with, at each position, the item that comes next.
struct TrainingBatch {
  PackedSequences sequences;
  std::vector<std::int32_t> targets;  // [positions]

  /// All but the last of `sequence`, which has two items or more, with all but the first as
  /// targets.
  void add(std::span<const data::ItemIndex> sequence, std::int64_t max_length);
};

/// Not thread-safe; one a thread.
class SasrecGradient {
 public:
  SasrecGradient(const SasrecShape& shape, double dropout);

  /// The sum of the losses over the batch's positions; `gradients` [weights] += scale × the
  /// gradient of that sum. `panels` hold the item embedding of `weights`; `key` determines what the
  /// dropouts drop.
  double add(const TrainingBatch& batch, std::span<const float> weights, const ItemPanels& panels,
             float scale, std::uint64_t key, std::span<float> gradients);

 private:
  SasrecShape shape_;
  SasrecWeights layout_;
  float dropout_;
  CrossEntropy loss_;
};

}  // namespace rapport::retrieval
