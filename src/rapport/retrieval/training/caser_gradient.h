// The loss of Caser on a batch of windows and its gradient by hand (caser_layer.h): no tensor
// library in it.
//
//   CaserGradient gradient(shape, users, dropout, loss, sampler);
//   const double loss = gradient.add(batch, weights, panels, scale, key, gradients);
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "rapport/retrieval/caser.h"
#include "rapport/retrieval/next_item_loss.h"
#include "rapport/retrieval/training/sequence_trainer.h"

namespace rapport::retrieval {

class CaserGradient final : public BatchGradient {
 public:
  /// Of weights as caser_training_weights lays them out. `dropout` is that of the convolutions'
  /// features. `loss` is resolved; `sampler` is its own and outlives this.
  CaserGradient(const CaserShape& shape, std::int64_t users, double dropout,
                const NextItemLossOptions& loss, const std::optional<ItemSampler>& sampler);

  double add(const TrainingBatch& batch, std::span<const float> weights, const ItemPanels& panels,
             float scale, std::uint64_t key, std::span<float> gradients) override;

 private:
  void join(const TrainingBatch& batch, std::span<const float> weights);
  void part(const TrainingBatch& batch, std::span<float> gradients);

  CaserShape shape_;
  CaserWeights layout_;
  float dropout_;
  NextItemLoss loss_;
  // Memory that a batch takes, kept for the next one.
  std::vector<float> x_, x_gradient_;                // [rows × dimension], padding included
  std::vector<float> features_, features_gradient_;  // [windows × width], dropped already
  std::vector<float> encoded_, encoded_gradient_;    // [windows × dimension]
  std::vector<float> hidden_, hidden_gradient_;      // [windows × scored_width]
  CaserTrace trace_;
};

}  // namespace rapport::retrieval
