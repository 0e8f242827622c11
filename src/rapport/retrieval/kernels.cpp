#include "rapport/retrieval/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rapport/retrieval/narrow_product.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kAttentionRows = 24;  // queries of a block; keys that none sees are skipped

/// A permutation of 32-bit integers that mixes well. Source: Wellons, "lowbias32".
RAPPORT_INLINE std::uint32_t mixed(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

struct Keep {
  std::uint32_t key, threshold;
  float scale;

  explicit Keep(const Dropout& dropout)
      : key(dropout.key),
        threshold(static_cast<std::uint32_t>(static_cast<double>(dropout.probability) * 0x1p32)),
        scale(1 / (1 - dropout.probability)) {}
};

RAPPORT_INLINE float kept(const Keep& keep, std::uint32_t index) {
  return mixed(index + keep.key) >= keep.threshold ? keep.scale : 0.0f;
}

RAPPORT_VECTORISED float total(const float* values, std::int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += values[i];
  return sum;
}

struct Moments {
  float mean, factor;  // factor: 1 / sqrt(variance + epsilon)
};

RAPPORT_INLINE Moments moments(const float* x, std::int64_t width, float epsilon) {
  const float share = 1.0f / static_cast<float>(width);
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < width; ++i) sum += x[i];
  const float mean = sum * share;
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (std::int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
  return {mean, 1.0f / std::sqrt(squares * share + epsilon)};
}

constexpr float kGelu = 1.59576912f, kGeluCube = 0.044715f;  // 2·sqrt(2 / π); of x³ beside x
RAPPORT_INLINE float normal_share(float x) {
  return 1 / (1 + exponential(-kGelu * x * (1 + kGeluCube * x * x)));
}

/// dP → scale · dS of one row of the softmax, and P → dropped P beside it. `others` is Σ P·dP of
/// the keys that are not among the `count`; returns that sum over all keys.
RAPPORT_VECTORISED float softmax_backward(const Keep& keep, bool drops, std::uint32_t first,
                                          std::int64_t count, const float* probabilities,
                                          float others, float scale, float* gradient,
                                          float* dropped) {
  float sum = others;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) {
    const float factor = drops ? kept(keep, first + static_cast<std::uint32_t>(i)) : 1.0f;
    gradient[i] *= factor;
    dropped[i] = probabilities[i] * factor;
    sum += gradient[i] * probabilities[i];
  }
  for (std::int64_t i = 0; i < count; ++i)
    gradient[i] = scale * probabilities[i] * (gradient[i] - sum);
  return sum;
}

RAPPORT_VECTORISED void scale_by(float* values, std::int64_t count, float factor) {
  for (std::int64_t i = 0; i < count; ++i) values[i] *= factor;
}

/// out[columns × stride] = factor · rowsᵀ of rows [count × columns], zero beyond `count`.
RAPPORT_VECTORISED void transpose(const float* rows, std::int64_t count, std::int64_t row_stride,
                                  std::int64_t columns, float factor, float* out,
                                  std::int64_t stride) {
  constexpr std::int64_t kBlock = 16;  // rows, so that what is read of each stays in the cache
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, count);
    for (std::int64_t column = 0; column < columns; ++column) {
      for (std::int64_t row = begin; row < end; ++row)
        out[column * stride + row] = factor * rows[row * row_stride + column];
    }
  }
  for (std::int64_t column = 0; column < columns; ++column)
    std::fill(out + column * stride + count, out + (column + 1) * stride, 0.0f);
}

/// Logits of a row's `seen` keys → their shares in the softmax; returns the padding's share. As its
/// keys are alike, the logarithm of their number makes one of them weigh as much as all.
float softmax_row(const AttentionHead& head, const float* query, float scale, std::int64_t seen,
                  float* row) {
  float most = largest(row, seen), padding = 0;
  if (head.padding > 0) {
    padding = scale * dot(query, head.padding_key, head.width) +
              std::log(static_cast<float>(head.padding));
    most = std::max(most, padding);
    padding = std::exp(padding - most);
  }
  const float sum = exponentials(row, seen, most) + padding;
  scale_by(row, seen, 1 / sum);
  return padding / sum;
}

float attention_scale(const AttentionHead& head) {
  return 1 / std::sqrt(static_cast<float>(head.width));
}

std::int64_t keys_seen_by(const AttentionHead& head, std::int64_t row) {
  return head.causal ? row + 1 : head.length;
}

}  // namespace

RAPPORT_VECTORISED float dot(const float* a, const float* b, std::int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

RAPPORT_VECTORISED void add_scaled(float factor, const float* x, std::int64_t count, float* sum) {
  for (std::int64_t i = 0; i < count; ++i) sum[i] += factor * x[i];
}

RAPPORT_VECTORISED float largest(const float* values, std::int64_t count) {
  constexpr std::int64_t kLanes = 32;
  float lanes[kLanes];
  for (float& lane : lanes) lane = -std::numeric_limits<float>::infinity();
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = lanes[lane] < values[i + lane] ? values[i + lane] : lanes[lane];
  }
  float most = lanes[0];
  for (const float lane : lanes) most = std::max(most, lane);
  for (; i < count; ++i) most = std::max(most, values[i]);
  return most;
}

RAPPORT_VECTORISED float exponentials(float* values, std::int64_t count, float shift) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = exponential(values[i] - shift);
    sum += values[i];
  }
  return sum;
}

RAPPORT_VECTORISED void layer_norm(const float* x, std::int64_t rows, std::int64_t width,
                                   const float* weight, const float* bias, float epsilon,
                                   float* out) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, out += width) {
    const auto [mean, factor] = moments(x, width, epsilon);
    for (std::int64_t i = 0; i < width; ++i) out[i] = (x[i] - mean) * factor * weight[i] + bias[i];
  }
}

RAPPORT_VECTORISED void layer_norm_backward(const float* x, std::int64_t rows, std::int64_t width,
                                            const float* weight, float epsilon,
                                            const float* out_gradient,
                                            const LayerNormGradients& gradients) {
  const float share = 1.0f / static_cast<float>(width);
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* const in = x + row * width;
    const float* const slope = out_gradient + row * width;
    float* const out = gradients.x + row * width;
    const Moments own = moments(in, width, epsilon);
    float sum = 0, product = 0;  // of the gradient of the normed row, and of it with that row
#pragma omp simd reduction(+ : sum, product)
    for (std::int64_t i = 0; i < width; ++i) {
      sum += slope[i] * weight[i];
      product += slope[i] * weight[i] * (in[i] - own.mean);
    }
    const float level = sum * share, tilt = product * own.factor * own.factor * share;
    for (std::int64_t i = 0; i < width; ++i) {
      const float centred = in[i] - own.mean;
      out[i] = own.factor * (slope[i] * weight[i] - level - centred * tilt);
      gradients.weight[i] += slope[i] * centred * own.factor;
      gradients.bias[i] += slope[i];
    }
  }
}

RAPPORT_VECTORISED void gelu(std::int64_t count, const float* x, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = x[i] * normal_share(x[i]);
}

RAPPORT_VECTORISED void gelu_backward(std::int64_t count, const float* x, float* gradient) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float share = normal_share(x[i]), slope = kGelu * (1 + 3 * kGeluCube * x[i] * x[i]);
    gradient[i] *= share * (1 + x[i] * (1 - share) * slope);
  }
}

RAPPORT_VECTORISED void add_bias_relu(float* x, std::int64_t rows, std::int64_t width,
                                      const float* bias) {
  for (std::int64_t row = 0; row < rows; ++row, x += width) {
    for (std::int64_t i = 0; i < width; ++i) {
      const float sum = x[i] + bias[i];
      x[i] = sum < 0 ? 0 : sum;  // a NaN stays one
    }
  }
}

RAPPORT_VECTORISED void add_bias(float* x, std::int64_t rows, std::int64_t width,
                                 const float* bias) {
  for (std::int64_t row = 0; row < rows; ++row, x += width) {
    for (std::int64_t i = 0; i < width; ++i) x[i] += bias[i];
  }
}

RAPPORT_VECTORISED void apply_dropout(const Dropout& dropout, std::uint32_t first,
                                      std::int64_t count, const float* x, float* out) {
  const Keep keep(dropout);
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = x[i] * kept(keep, first + static_cast<std::uint32_t>(i));
}

RAPPORT_VECTORISED void add_with_dropout(const Dropout& dropout, std::int64_t count,
                                         const float* residual, const float* x, float* sum) {
  const Keep keep(dropout);
  for (std::int64_t i = 0; i < count; ++i)
    sum[i] = residual[i] + x[i] * kept(keep, static_cast<std::uint32_t>(i));
}

std::int64_t attention_stride(std::int64_t length) {
  return (length + 15) / 16 * 16;
}

std::size_t attention_scratch(std::int64_t length, std::int64_t width) {
  return static_cast<std::size_t>((width + 2 * kAttentionRows) * attention_stride(length));
}

void attention_forward(const AttentionHead& head, float* out, std::int64_t stride_out,
                       float* probabilities, float* scratch) {
  const float scale = attention_scale(head);
  const std::int64_t length = head.length, stride = attention_stride(length);
  float* const keys_transposed = scratch;                // [width × stride]
  float* const dropped = scratch + head.width * stride;  // [kAttentionRows × stride]
  transpose(head.key, length, head.key_value_stride, head.width, scale, keys_transposed, stride);
  for (std::int64_t begin = 0; begin < head.queries; begin += kAttentionRows) {
    const std::int64_t rows = std::min(kAttentionRows, head.queries - begin);
    const std::int64_t keys = keys_seen_by(head, begin + rows - 1);
    float* const block = probabilities != nullptr ? probabilities + begin * stride : dropped;
    const float* const query = head.query + begin * head.query_stride;
    multiply_narrow({.m = rows,
                     .n = attention_stride(keys),
                     .k = head.width,
                     .row_stride = head.query_stride,
                     .stride_b = stride,
                     .stride_c = stride},
                    query, keys_transposed, block);
    float padding[kAttentionRows];
    for (std::int64_t row = 0; row < rows; ++row) {
      float* const p = block + row * stride;
      const std::int64_t seen = keys_seen_by(head, begin + row);
      padding[row] = softmax_row(head, query + row * head.query_stride, scale, seen, p);
      std::fill(p + seen, p + stride, 0.0f);
    }
    const float* weights = block;
    if (head.dropout.probability > 0) {
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto first = head.first_element + static_cast<std::uint32_t>((begin + row) * stride);
        apply_dropout(head.dropout, first, keys, block + row * stride, dropped + row * stride);
      }
      weights = dropped;
    }
    float* const out_rows = out + begin * stride_out;
    multiply_narrow({.m = rows,
                     .n = head.width,
                     .k = keys,
                     .row_stride = stride,
                     .stride_b = head.key_value_stride,
                     .stride_c = stride_out},
                    weights, head.value, out_rows);
    for (std::int64_t row = 0; head.padding > 0 && row < rows; ++row)
      add_scaled(padding[row], head.padding_value, head.width, out_rows + row * stride_out);
  }
}

void attention_backward(const AttentionHead& head, const float* probabilities,
                        const float* out_gradient, std::int64_t stride_out,
                        const AttentionGradients& gradients, float* scratch) {
  const float scale = attention_scale(head);
  const std::int64_t length = head.length, stride = attention_stride(length);
  float* const values_transposed = scratch;               // [width × stride]
  float* const gradient = scratch + head.width * stride;  // [kAttentionRows × stride]
  float* const dropped = gradient + kAttentionRows * stride;
  transpose(head.value, length, head.key_value_stride, head.width, 1, values_transposed, stride);
  const Keep keep(head.dropout);
  for (std::int64_t row = 0; row < length; ++row) {
    std::fill_n(gradients.key + row * head.key_value_stride, head.width, 0.0f);
    std::fill_n(gradients.value + row * head.key_value_stride, head.width, 0.0f);
  }
  for (std::int64_t begin = 0; begin < head.queries; begin += kAttentionRows) {
    const std::int64_t rows = std::min(kAttentionRows, head.queries - begin);
    const std::int64_t keys = keys_seen_by(head, begin + rows - 1);
    const float* const query = head.query + begin * head.query_stride;
    const float* const out_rows = out_gradient + begin * stride_out;
    float padding[kAttentionRows];  // the gradients of the padding's products
    multiply_narrow({.m = rows,
                     .n = attention_stride(keys),
                     .k = head.width,
                     .row_stride = stride_out,
                     .stride_b = stride,
                     .stride_c = stride},
                    out_rows, values_transposed, gradient);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t element = (begin + row) * stride;
      float share = 0, slope = 0;
      if (head.padding > 0) {
        share = 1 - total(probabilities + element, keys_seen_by(head, begin + row));
        slope = dot(out_rows + row * stride_out, head.padding_value, head.width);
        add_scaled(share, out_rows + row * stride_out, head.width, gradients.padding_value);
      }
      const float sum = softmax_backward(keep, head.dropout.probability > 0,
                                         head.first_element + static_cast<std::uint32_t>(element),
                                         keys, probabilities + element, share * slope, scale,
                                         gradient + row * stride, dropped + row * stride);
      padding[row] = scale * share * (slope - sum);
    }
    multiply_narrow({.m = keys,
                     .n = head.width,
                     .k = rows,
                     .row_stride = 1,
                     .column_stride = stride,
                     .stride_b = stride_out,
                     .stride_c = head.key_value_stride,
                     .add = true},
                    dropped, out_rows, gradients.value);
    float* const query_gradient = gradients.query + begin * head.query_stride;
    multiply_narrow({.m = rows,
                     .n = head.width,
                     .k = keys,
                     .row_stride = stride,
                     .stride_b = head.key_value_stride,
                     .stride_c = head.query_stride},
                    gradient, head.key, query_gradient);
    multiply_narrow({.m = keys,
                     .n = head.width,
                     .k = rows,
                     .row_stride = 1,
                     .column_stride = stride,
                     .stride_b = head.query_stride,
                     .stride_c = head.key_value_stride,
                     .add = true},
                    gradient, query, gradients.key);
    for (std::int64_t row = 0; head.padding > 0 && row < rows; ++row) {
      add_scaled(padding[row], head.padding_key, head.width,
                 query_gradient + row * head.query_stride);
      add_scaled(padding[row], query + row * head.query_stride, head.width, gradients.padding_key);
    }
  }
}

RAPPORT_VECTORISED void adam(const AdamStep& step, std::int64_t count,
                             std::span<const float* const> gradients, float* parameters,
                             float* first_moment, float* second_moment) {
  const auto power = static_cast<double>(step.step);
  const auto rate = static_cast<float>(step.learning_rate / (1 - std::pow(step.beta1, power)));
  const auto root = static_cast<float>(1 / std::sqrt(1 - std::pow(step.beta2, power)));
  constexpr std::int64_t kBlock = 1024;  // so that the summed gradient stays in the first cache
  float gradient[kBlock];
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t size = std::min(kBlock, count - begin);
    float* const p = parameters + begin;
    float* const m = first_moment + begin;
    float* const v = second_moment + begin;
    for (std::int64_t i = 0; i < size; ++i) gradient[i] = step.weight_decay * p[i];
    for (const float* const shard : gradients) {
      for (std::int64_t i = 0; i < size; ++i) gradient[i] += shard[begin + i];
    }
    for (std::int64_t i = 0; i < size; ++i) {
      m[i] = step.beta1 * m[i] + (1 - step.beta1) * gradient[i];
      v[i] = step.beta2 * v[i] + (1 - step.beta2) * gradient[i] * gradient[i];
      p[i] -= rate * m[i] / (std::sqrt(v[i]) * root + step.epsilon);
    }
  }
}

}  // namespace rapport::retrieval
