// The loss of SASRec on a batch and its gradient: libtorch's autograd over operations of our own
// where the time goes.
//
//   SasrecGradient gradient(shape, dropout, loss, sampler);
//   const double loss = gradient.add(batch, weights, panels, scale, key, gradients);
//
// What is different from the textbook's padded batch: sequences lie end to end, so that no
// position is wasted; attention runs per sequence on the part below the diagonal; the [positions ×
// items] logits are never materialised (cross_entropy.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "rapport/retrieval/next_item_loss.h"
#include "rapport/retrieval/sasrec.h"
#include "rapport/retrieval/training/sequence_trainer.h"
#include "rapport/retrieval/training/text_gate.h"

namespace rapport::retrieval {

class SasrecGradient final : public BatchGradient {
 public:
  /// `loss` is resolved; `sampler` is its own and outlives this, as `text` does, which is null
  /// where none is read.
  SasrecGradient(const SasrecShape& shape, double dropout, const NextItemLossOptions& loss,
                 const std::optional<ItemSampler>& sampler, const ItemText* text = nullptr);

  double add(const TrainingBatch& batch, std::span<const float> weights, const ItemPanels& panels,
             float scale, std::uint64_t key, std::span<float> gradients) override;

 private:
  SasrecShape shape_;
  SasrecWeights layout_;
  float dropout_;
  NextItemLoss loss_;
  std::optional<TextGate> text_;
};

}  // namespace rapport::retrieval
