// Operations of our own for libtorch's autograd: forward and backward by the kernels of kernels.h.
#pragma once

#include <torch/torch.h>

#include "rapport/retrieval/kernels.h"

namespace rapport::retrieval {

/// x with a share of its elements dropped and the rest scaled up.
torch::Tensor dropped(const torch::Tensor& x, const Dropout& dropout);

/// x [rows × in] · weight [in × out] + bias [out], all contiguous. Not called linear: libtorch has
/// one that multiplies by the transposed weight, and would be taken where the bias is left out.
torch::Tensor affine(const torch::Tensor& x, const torch::Tensor& weight,
                     const torch::Tensor& bias);

/// residual + dropped(x): one pass instead of three.
torch::Tensor add_dropped(const torch::Tensor& residual, const torch::Tensor& x,
                          const Dropout& dropout);

/// Causal self-attention within each of the sequences that lie end to end: query [positions × d],
/// key_value [positions × 2d] with key and value side by side, each [heads × d/heads]. Each
/// sequence is padded on the left to `padded_length` by keys and values equal to `padding` [2d].
/// `offsets` [sequences + 1], int64. Returns [positions × d].
torch::Tensor packed_attention(const torch::Tensor& query, const torch::Tensor& key_value,
                               const torch::Tensor& padding, const torch::Tensor& offsets,
                               std::int64_t padded_length, std::int64_t heads,
                               const Dropout& dropout);

}  // namespace rapport::retrieval
