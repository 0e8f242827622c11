// A block of a bidirectional transformer over many sequences at once, forward and backward by hand:
// attention of several heads in which each position sees its whole sequence, then a feed-forward
// network with GELU, each on what a layer norm makes of the residual stream and added to it.
//
//   const TransformerBlock block = add_transformer_block(layout, "blocks.0.", shape);
//   TransformerTrace trace;
//   transformer_forward(shape, block, weights, rows, dropout, x, out, trace);
//   transformer_backward(shape, block, weights, rows, dropout, x, out_gradient, trace, gradients,
//                        x_gradient);
//
// Sequences lie end to end, without padding. A block may be asked for some of its positions only:
// the last one for those that are predicted. Source: Vaswani et al. 2017; the norm in front, as in
// Radford et al. 2019.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/weight_layout.h"

namespace rapport::retrieval {

struct TransformerShape {
  std::int64_t dimension = 64;
  std::int64_t heads = 4;    // divides `dimension`
  std::int64_t inner = 256;  // of the feed-forward network
};

/// Offsets of one block's parts. Matrices are [in × out] and applied as x · W + b.
struct TransformerBlock {
  std::int64_t attention_norm_weight, attention_norm_bias;
  std::int64_t query_weight, query_bias;
  std::int64_t key_value_weight, key_value_bias;  // [d × 2d], [2d]
  std::int64_t output_weight, output_bias;
  std::int64_t feed_forward_norm_weight, feed_forward_norm_bias;
  std::int64_t inner_weight, inner_bias;  // [d × inner], [inner]
  std::int64_t outer_weight, outer_bias;  // [inner × d], [d]
};
TransformerBlock add_transformer_block(WeightLayout& layout, const std::string& prefix,
                                       const TransformerShape& shape);

inline constexpr float kTransformerNormEpsilon = 1e-8f;

/// The positions of the sequences, and those of them that are wanted.
struct TransformerRows {
  std::span<const std::int64_t> offsets;  // [sequences + 1]
  /// Ascending positions; empty for all.
  std::span<const std::int32_t> wanted = {};

  std::int64_t positions() const { return offsets.back(); }
  std::int64_t count() const {
    return wanted.empty() ? positions() : static_cast<std::int64_t>(wanted.size());
  }
};

/// Of the attention's shares, and of what each half adds. All have one probability.
struct TransformerDropout {
  Dropout attention, output, feed_forward;
};

/// What forward leaves for backward.
struct TransformerTrace {
  std::vector<float> normed;         // [positions × d], what keys and values are made of
  std::vector<float> key_value;      // [positions × 2d]
  std::vector<float> normed_wanted;  // [wanted × d], of some positions only
  std::vector<float> query, attended;
  bool goes_back = true;             // false: without what only the backward pass reads
  std::vector<float> probabilities;  // by far the largest where sequences are long
  std::vector<float> middle;         // [wanted × d], x and what the attention added
  std::vector<float> middle_normed;
  std::vector<float> inner, activated;  // [wanted × inner], before and after GELU
  std::vector<std::int64_t> query_offsets;
};

/// x [positions × d], out [wanted × d], written. What is computed twice differs in no bit.
void transformer_forward(const TransformerShape& shape, const TransformerBlock& block,
                         const float* weights, const TransformerRows& rows,
                         const TransformerDropout& dropout, const float* x, float* out,
                         TransformerTrace& trace);

/// out_gradient [wanted × d]; `gradients`, laid out as the weights, are added to; x_gradient
/// [positions × d] is written.
void transformer_backward(const TransformerShape& shape, const TransformerBlock& block,
                          const float* weights, const TransformerRows& rows,
                          const TransformerDropout& dropout, const float* x,
                          const float* out_gradient, const TransformerTrace& trace,
                          float* gradients, float* x_gradient);

}  // namespace rapport::retrieval
