// Self-attention within each of many sequences that lie end to end, all heads: what the kernels of
// one head (kernels.h) are given, once for inference and training.
//
//   const PackedAttention attention{.query = query, .key_value = key_value,
//                                   .query_offsets = offsets, .offsets = offsets, …};
//   std::vector<float> probabilities(packed_attention_elements(attention));
//   packed_attention_forward(attention, out, probabilities.data());
//   packed_attention_backward(attention, probabilities.data(), out_gradient, gradients);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "rapport/retrieval/kernels.h"

namespace rapport::retrieval {

/// d is the dimension; a head has d / heads columns of each.
struct PackedAttention {
  const float* query = nullptr;      // [queries × d]
  const float* key_value = nullptr;  // [positions × 2d], key and value side by side
  /// Both [sequences + 1]: the queries and the positions of a sequence. The same with `causal`.
  std::span<const std::int64_t> query_offsets, offsets;
  std::int64_t dimension = 0, heads = 1;
  bool causal = true;
  /// Each sequence is padded on the left to this length by keys and values equal to `padding`
  /// [2d]; 0: none is.
  std::int64_t padded_length = 0;
  const float* padding = nullptr;
  Dropout dropout = {};
};

/// Floats of the softmax's shares that the backward pass reads.
std::size_t packed_attention_elements(const PackedAttention& attention);

/// out [queries × d]: written, but for the queries of a sequence without positions. `probabilities`
/// [packed_attention_elements]; null where there will be no backward pass.
void packed_attention_forward(const PackedAttention& attention, float* out, float* probabilities);

struct PackedAttentionGradients {
  float* query = nullptr;      // [queries × d], written
  float* key_value = nullptr;  // [positions × 2d], written
  float* padding = nullptr;    // [2d], added to; null without padding
};
void packed_attention_backward(const PackedAttention& attention, const float* probabilities,
                               const float* out_gradient,
                               const PackedAttentionGradients& gradients);

}  // namespace rapport::retrieval
