// A layer of gated recurrent units over many sequences at once, forward and backward through time,
// without padding: sequences are ordered by length and go on together, step by step, so that every
// step is one product of those that are still there.
//
//   const StepOrder order(batch.offsets);       rows of all matrices are in this order
//   GruTrace trace;
//   gru_forward(layer, order, x, states, trace);
//   gru_backward(layer, order, x, states, states_gradient, trace, gradients);
//
// Source: Cho et al. 2014, with the reset gate applied after the recurrent product, as cuDNN and
// PyTorch have it: r, z = σ(x·W + h·U + b + c), n = tanh(x·W + b + r·(h·U + c)),
// h' = (1 - z)·n + z·h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rapport::retrieval {

/// Positions of packed sequences by step: first all first positions, longest sequence first, then
/// all second ones…, so that a row's previous state lies in the step before, at the same place.
class StepOrder {
 public:
  /// `offsets` [sequences + 1], as PackedSequences has them.
  explicit StepOrder(std::span<const std::int64_t> offsets);

  std::int64_t steps() const { return static_cast<std::int64_t>(begins_.size()) - 1; }
  std::int64_t rows() const { return begins_.back(); }
  std::int64_t begin(std::int64_t step) const { return begins_[static_cast<std::size_t>(step)]; }
  /// Sequences that have this step.
  std::int64_t active(std::int64_t step) const { return begin(step + 1) - begin(step); }
  /// [rows] the packed position that a row holds.
  const std::vector<std::int64_t>& positions() const { return positions_; }
  /// [sequences] the row of a sequence's newest position; -1 for an empty one.
  const std::vector<std::int64_t>& newest() const { return newest_; }

 private:
  std::vector<std::int64_t> begins_ = {0};  // [steps + 1]
  std::vector<std::int64_t> positions_, newest_;
};

/// Weights; gates lie side by side as reset, update, new.
struct GruLayer {
  std::int64_t in = 0, hidden = 0;
  const float* input_weight = nullptr;      // [in × 3 hidden], W
  const float* recurrent_weight = nullptr;  // [hidden × 3 hidden], U
  const float* input_bias = nullptr;        // [3 hidden], b
  const float* recurrent_bias = nullptr;    // [3 hidden], c
};

/// What forward leaves for backward, which overwrites it.
struct GruTrace {
  std::vector<float> gates;      // [rows × 3 hidden], after their σ and tanh
  std::vector<float> recurrent;  // [rows × hidden], the new gate's h·U + c
};

/// x [rows × in], states [rows × hidden], written.
void gru_forward(const GruLayer& layer, const StepOrder& order, const float* x, float* states,
                 GruTrace& trace);

struct GruGradients {
  float* input_weight = nullptr;  // these four are added to
  float* recurrent_weight = nullptr;
  float* input_bias = nullptr;
  float* recurrent_bias = nullptr;
  float* x = nullptr;  // [rows × in], written
};
/// `states_gradient` [rows × hidden] holds what comes from above and is overwritten with what comes
/// from later steps as well.
void gru_backward(const GruLayer& layer, const StepOrder& order, const float* x,
                  const float* states, float* states_gradient, GruTrace& trace,
                  const GruGradients& gradients);

}  // namespace rapport::retrieval
