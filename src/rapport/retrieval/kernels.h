// The numerics that training and inference share: plain loops over rows of floats, and products
// (narrow_product.h).
//
// All matrices are row-major; `stride` is floats from one row to the next. Nothing here allocates,
// throws or starts a thread: callers split the work and bring the scratch memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace rapport::retrieval {

/// The largest of `count` values, -inf when there are none.
float largest(const float* values, std::int64_t count);
/// values[i] = exp(values[i] - shift), to 3e-7 relative; returns their sum.
float exponentials(float* values, std::int64_t count, float shift);

float dot(const float* a, const float* b, std::int64_t count);
/// sum[i] += factor · x[i].
void add_scaled(float factor, const float* x, std::int64_t count, float* sum);

/// out[rows × width] = (x - mean) / sqrt(variance + epsilon) · weight + bias, row by row.
void layer_norm(const float* x, std::int64_t rows, std::int64_t width, const float* weight,
                const float* bias, float epsilon, float* out);
/// x[rows × width] = max(0, x + bias).
void add_bias_relu(float* x, std::int64_t rows, std::int64_t width, const float* bias);
/// x[rows × width] += bias.
void add_bias(float* x, std::int64_t rows, std::int64_t width, const float* bias);

/// Which elements a dropout keeps: a hash of (key, index), so that the backward pass, another
/// number of threads or a resumed run sees the same choice without anything being stored.
struct Dropout {
  float probability = 0;  // of dropping, [0, 1)
  std::uint32_t key = 0;
};
/// out[i] = x[i] · kept / (1 - probability) for element `first + i`; `out` may be `x`.
void apply_dropout(const Dropout& dropout, std::uint32_t first, std::int64_t count, const float* x,
                   float* out);
/// sum[i] = residual[i] + dropout(x)[i].
void add_with_dropout(const Dropout& dropout, std::int64_t count, const float* residual,
                      const float* x, float* sum);

/// out[rows × width]'s way back: `x_gradient` is written, the parameters' gradients are added to.
/// x as layer_norm read it.
struct LayerNormGradients {
  float* weight = nullptr;  // [width]
  float* bias = nullptr;    // [width]
  float* x = nullptr;       // [rows × width]
};
void layer_norm_backward(const float* x, std::int64_t rows, std::int64_t width, const float* weight,
                         float epsilon, const float* out_gradient,
                         const LayerNormGradients& gradients);

/// out[i] = x[i] · Φ(x[i]), with Φ by tanh to 3e-4. Source: Hendrycks & Gimpel 2016.
void gelu(std::int64_t count, const float* x, float* out);
/// gradient[i] *= the slope of gelu at x[i].
void gelu_backward(std::int64_t count, const float* x, float* gradient);

/// Self-attention of one head over one sequence: `queries` rows of query, `length` rows of key and
/// value, all `width` wide. A causal query sees the keys up to its own place, and there is one of
/// each place; otherwise each sees all keys, and there may be any number. In front of the keys
/// stand `padding` more that are all alike: what a batch padded on the left would have there, at
/// the cost of one. `probabilities` [queries × attention_stride(length)] receives the softmax's
/// shares of the sequence's own keys before dropout (zero where a key is not seen), for the
/// backward pass; null where there will be none. `scratch` holds attention_scratch floats. The
/// padding's share is never dropped: that of so many alike would hardly vary. Source: Vaswani et
/// al. 2017, section 3.2.1; the padding as in Kang & McAuley 2018.
struct AttentionHead {
  const float* query = nullptr;
  const float* key = nullptr;
  const float* value = nullptr;
  std::int64_t queries = 0, length = 0, width = 0;
  bool causal = true;
  std::int64_t query_stride = 0, key_value_stride = 0;
  std::int64_t padding = 0;
  const float* padding_key = nullptr;    // [width]
  const float* padding_value = nullptr;  // [width]
  Dropout dropout = {};
  std::uint32_t first_element = 0;  // of the probabilities in the dropout's numbering
};
/// Floats from one row of probabilities to the next: whole vectors.
std::int64_t attention_stride(std::int64_t length);
std::size_t attention_scratch(std::int64_t length, std::int64_t width);
void attention_forward(const AttentionHead& head, float* out, std::int64_t stride_out,
                       float* probabilities, float* scratch);
/// Those of query, key and value are written, with the head's strides; the padding's are added to.
struct AttentionGradients {
  float* query = nullptr;
  float* key = nullptr;
  float* value = nullptr;
  float* padding_key = nullptr;    // [width]
  float* padding_value = nullptr;  // [width]
};
void attention_backward(const AttentionHead& head, const float* probabilities,
                        const float* out_gradient, std::int64_t stride_out,
                        const AttentionGradients& gradients, float* scratch);

/// One step of Adam on `count` parameters; L2 `weight_decay` joins the gradient, as in the paper's
/// original form. Source: Kingma & Ba 2015.
struct AdamStep {
  float learning_rate = 1e-3f;
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  float weight_decay = 0;
  std::int64_t step = 1;  // from 1
};
/// `gradients` are summed first: one a shard of the batch.
void adam(const AdamStep& step, std::int64_t count, std::span<const float* const> gradients,
          float* parameters, float* first_moment, float* second_moment);

}  // namespace rapport::retrieval
