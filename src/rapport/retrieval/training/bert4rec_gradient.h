// The loss of BERT4Rec on a batch and its gradient: cross-entropy over all items at what is masked,
// and nowhere else (bert4rec_encoder.h, cross_entropy.h). No tensor library in it.
//
//   Bert4recGradient gradient(shape, dropout);
//   const double loss = gradient.add(batch, weights, panels, scale, key, gradients);
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/retrieval/bert4rec_encoder.h"
#include "rapport/retrieval/cross_entropy.h"
#include "rapport/retrieval/training/sequence_trainer.h"

namespace rapport::retrieval {

class Bert4recGradient final : public BatchGradient {
 public:
  Bert4recGradient(const Bert4recShape& shape, double dropout);

  /// `batch` is made by add_masked.
  double add(const TrainingBatch& batch, std::span<const float> weights, const ItemPanels& panels,
             float scale, std::uint64_t key, std::span<float> gradients) override;

 private:
  std::int64_t item_embedding_;
  Bert4recEncoder encoder_;
  CrossEntropy loss_;
  std::vector<float> states_gradient_;
};

}  // namespace rapport::retrieval
