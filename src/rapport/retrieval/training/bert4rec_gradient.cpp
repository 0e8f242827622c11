#include "rapport/retrieval/training/bert4rec_gradient.h"

namespace rapport::retrieval {

Bert4recGradient::Bert4recGradient(const Bert4recShape& shape, double dropout)
    : item_embedding_(bert4rec_weights(shape).item_embedding),
      encoder_(shape, dropout),
      loss_(shape.items, shape.dimension) {}

double Bert4recGradient::add(const TrainingBatch& batch, std::span<const float> weights,
                             const ItemPanels& panels, float scale, std::uint64_t key,
                             std::span<float> gradients) {
  if (batch.targets.empty()) return 0;
  const std::span<const float> states =
      encoder_.forward(batch.sequences, batch.predicted, weights.data(), key);
  states_gradient_.resize(states.size());
  const double loss = loss_.add({.embedding = weights.data() + item_embedding_,
                                 .panels = panels,
                                 .rows = static_cast<std::int64_t>(batch.targets.size()),
                                 .hidden = states.data(),
                                 .targets = batch.targets.data(),
                                 .scale = scale,
                                 .hidden_gradient = states_gradient_.data(),
                                 .embedding_gradient = gradients.data() + item_embedding_});
  encoder_.backward(batch.sequences, batch.predicted, weights.data(), states_gradient_.data(),
                    gradients.data());
  return loss;
}

}  // namespace rapport::retrieval
