// The loss of GRU4Rec on a batch and its gradient, back through time by hand (gru_layer.h): no
// tensor library in it.
//
//   Gru4recGradient gradient(shape, dropout, loss, sampler);
//   const double loss = gradient.add(batch, weights, panels, scale, key, gradients);
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "rapport/retrieval/gru4rec.h"
#include "rapport/retrieval/next_item_loss.h"
#include "rapport/retrieval/training/sequence_trainer.h"
#include "rapport/retrieval/training/text_gate.h"

namespace rapport::retrieval {

class Gru4recGradient final : public BatchGradient {
 public:
  /// `dropout` is that of the item vectors and of each layer's states. `loss` is resolved;
  /// `sampler` is its own and outlives this, as does `text`; null where none is read.
  Gru4recGradient(const Gru4recShape& shape, double dropout, const NextItemLossOptions& loss,
                  const std::optional<ItemSampler>& sampler, const ItemText* text = nullptr);

  double add(const TrainingBatch& batch, std::span<const float> weights, const ItemPanels& panels,
             float scale, std::uint64_t key, std::span<float> gradients) override;

 private:
  struct Layer {
    std::vector<float> x;       // [rows × in], dropped already
    std::vector<float> states;  // [rows × hidden]
    GruTrace trace;
  };

  Gru4recShape shape_;
  Gru4recWeights layout_;
  float dropout_;
  NextItemLoss loss_;
  std::optional<TextGate> text_;
  // Memory that a batch takes, kept for the next one.
  std::vector<Layer> layers_;
  std::vector<float> read_;  // [rows × the larger], the last layer's states, dropped
  std::vector<float> encoded_, encoded_gradient_;  // [rows × dimension]
  std::vector<float> gradient_;                    // [rows × the larger], of a layer
  std::vector<std::int32_t> targets_;
};

}  // namespace rapport::retrieval
