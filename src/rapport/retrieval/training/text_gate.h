// How much the text of the newest items says at each position of a batch, and its gradient.
//
//   TextGate gate(text, layout);                             one a thread
//   const KernelLogits logits = gate.forward(batch.sequences, positions, hidden, weights);
//   …the loss, with `logits`…
//   gate.backward(hidden, weights, hidden_gradient, gradients);
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/retrieval/cross_entropy.h"
#include "rapport/retrieval/sequence_model.h"
#include "rapport/retrieval/text_scores.h"
#include "rapport/retrieval/training/item_text.h"

namespace rapport::retrieval {

class TextGate {
 public:
  /// `text` outlives it. The gate lies at `begin` of the weights.
  TextGate(const ItemText& text, std::int64_t dimension, std::int64_t begin);

  /// hidden [rows × dimension], row i of the packed position positions[i].
  KernelLogits forward(const PackedSequences& sequences, std::span<const std::int64_t> positions,
                       const float* hidden, const float* weights);
  /// Adds to both gradients.
  void backward(const float* hidden, const float* weights, float* hidden_gradient,
                float* gradients);

 private:
  const ItemText& text_;
  std::int64_t dimension_;
  TextGateWeights places_;
  std::int64_t rows_ = 0;
  std::vector<std::int64_t> begins_;     // [positions] of the position's sequence
  std::vector<std::int32_t> contexts_;   // [rows × items read]
  std::vector<float> amounts_, slopes_;  // [rows × items read]
  std::vector<float> through_;           // [rows × dimension]
};

}  // namespace rapport::retrieval
