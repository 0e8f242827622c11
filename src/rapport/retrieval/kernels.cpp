#include "rapport/retrieval/kernels.h"

#include <cblas.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

// One copy of a loop for each family of processors, chosen at start. Sanitizers cannot run before
// that choice, so they get the plain one.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define RAPPORT_VECTORISED \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define RAPPORT_VECTORISED
#endif
#define RAPPORT_INLINE inline __attribute__((always_inline))

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kAttentionRows = 32;  // of a block; later keys than its last are skipped

/// exp by 2^n · e^r, |r| ≤ ln 2 / 2, e^r by its Taylor polynomial of degree 6. Branch-free, so that
/// loops over it become vector instructions. Below -87 it gives e^-87, 1.6e-38; a NaN stays one.
RAPPORT_INLINE float exponential(float x) {
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * kLog2E + 12582912.0f;  // 1.5 · 2^23: the sum's low bits are the integer
  const auto n = std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(12582912.0f);
  const float whole = static_cast<float>(n);
  const float r = x - whole * kLn2High - whole * kLn2Low;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return p * std::bit_cast<float>((n + 127) << 23);
}

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

RAPPORT_VECTORISED float dot(const float* a, const float* b, std::int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

RAPPORT_VECTORISED void add_scaled(float factor, const float* x, std::int64_t count, float* sum) {
  for (std::int64_t i = 0; i < count; ++i) sum[i] += factor * x[i];
}

RAPPORT_VECTORISED float total(const float* values, std::int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += values[i];
  return sum;
}

/// dP → dS of one row of the softmax, and P → dropped P beside it. `others` is Σ P·dP of the keys
/// that are not among the `count`; returns that sum over all keys.
RAPPORT_VECTORISED float softmax_backward(const Keep& keep, bool drops, std::uint32_t first,
                                          std::int64_t count, const float* probabilities,
                                          float others, float* gradient, float* dropped) {
  float sum = others;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) {
    const float factor = drops ? kept(keep, first + static_cast<std::uint32_t>(i)) : 1.0f;
    gradient[i] *= factor;
    dropped[i] = probabilities[i] * factor;
    sum += gradient[i] * probabilities[i];
  }
  for (std::int64_t i = 0; i < count; ++i) gradient[i] = probabilities[i] * (gradient[i] - sum);
  return sum;
}

RAPPORT_VECTORISED void scale_by(float* values, std::int64_t count, float factor) {
  for (std::int64_t i = 0; i < count; ++i) values[i] *= factor;
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

}  // namespace

void use_one_blas_thread() {
  openblas_set_num_threads(1);
}

void multiply(const Product& product, const float* a, std::int64_t stride_a, const float* b,
              std::int64_t stride_b, float* c, std::int64_t stride_c) {
  if (product.m == 0 || product.n == 0) return;
  const auto narrow = [](std::int64_t value) { return static_cast<blasint>(value); };
  cblas_sgemm(CblasRowMajor, product.transpose_a ? CblasTrans : CblasNoTrans,
              product.transpose_b ? CblasTrans : CblasNoTrans, narrow(product.m), narrow(product.n),
              narrow(product.k), product.alpha, a, narrow(stride_a), b, narrow(stride_b),
              product.beta, c, narrow(stride_c));
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
  const float share = 1.0f / static_cast<float>(width);
  for (std::int64_t row = 0; row < rows; ++row, x += width, out += width) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < width; ++i) sum += x[i];
    const float mean = sum * share;
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float factor = 1.0f / std::sqrt(squares * share + epsilon);
    for (std::int64_t i = 0; i < width; ++i) out[i] = (x[i] - mean) * factor * weight[i] + bias[i];
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

std::size_t attention_scratch(std::int64_t length) {
  return static_cast<std::size_t>(2 * kAttentionRows * length);
}

void attention_forward(const AttentionHead& head, float* out, std::int64_t stride_out,
                       float* probabilities, float* scratch) {
  const float scale = 1 / std::sqrt(static_cast<float>(head.width));
  const std::int64_t length = head.length;
  for (std::int64_t begin = 0; begin < length; begin += kAttentionRows) {
    const std::int64_t rows = std::min(kAttentionRows, length - begin);
    const std::int64_t keys = begin + rows;
    float* const block = probabilities + begin * length;
    const float* const query = head.query + begin * head.query_stride;
    multiply({.m = rows, .n = keys, .k = head.width, .transpose_b = true, .alpha = scale}, query,
             head.query_stride, head.key, head.key_value_stride, block, length);
    float padding[kAttentionRows];
    for (std::int64_t row = 0; row < rows; ++row) {
      float* const p = block + row * length;
      const std::int64_t seen = begin + row + 1;
      padding[row] = softmax_row(head, query + row * head.query_stride, scale, seen, p);
      std::fill(p + seen, p + length, 0.0f);
    }
    const float* weights = block;
    std::int64_t stride_weights = length;
    if (head.dropout.probability > 0) {
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto first = head.first_element + static_cast<std::uint32_t>((begin + row) * length);
        apply_dropout(head.dropout, first, keys, block + row * length, scratch + row * keys);
      }
      weights = scratch;
      stride_weights = keys;
    }
    float* const out_rows = out + begin * stride_out;
    multiply({.m = rows, .n = head.width, .k = keys}, weights, stride_weights, head.value,
             head.key_value_stride, out_rows, stride_out);
    for (std::int64_t row = 0; head.padding > 0 && row < rows; ++row)
      add_scaled(padding[row], head.padding_value, head.width, out_rows + row * stride_out);
  }
}

void attend_last(const AttentionHead& head, float* out, float* scratch) {
  const float scale = 1 / std::sqrt(static_cast<float>(head.width));
  const std::int64_t length = head.length;
  const float* const query = head.query + (length - 1) * head.query_stride;
  multiply({.m = 1, .n = length, .k = head.width, .transpose_b = true, .alpha = scale}, query,
           head.query_stride, head.key, head.key_value_stride, scratch, length);
  const float padding = softmax_row(head, query, scale, length, scratch);
  multiply({.m = 1, .n = head.width, .k = length}, scratch, length, head.value,
           head.key_value_stride, out, head.width);
  if (head.padding > 0) add_scaled(padding, head.padding_value, head.width, out);
}

void attention_backward(const AttentionHead& head, const float* probabilities,
                        const float* out_gradient, std::int64_t stride_out,
                        const AttentionGradients& gradients, float* scratch) {
  const float scale = 1 / std::sqrt(static_cast<float>(head.width));
  const std::int64_t length = head.length;
  const Keep keep(head.dropout);
  for (std::int64_t row = 0; row < length; ++row) {
    std::fill_n(gradients.key + row * head.key_value_stride, head.width, 0.0f);
    std::fill_n(gradients.value + row * head.key_value_stride, head.width, 0.0f);
  }
  for (std::int64_t begin = 0; begin < length; begin += kAttentionRows) {
    const std::int64_t rows = std::min(kAttentionRows, length - begin);
    const std::int64_t keys = begin + rows;
    float* const gradient = scratch;                         // [rows × keys]
    float* const dropped = scratch + kAttentionRows * keys;  // [rows × keys]
    const float* const query = head.query + begin * head.query_stride;
    const float* const out_rows = out_gradient + begin * stride_out;
    float padding[kAttentionRows];  // the gradients of the padding's logits
    multiply({.m = rows, .n = keys, .k = head.width, .transpose_b = true}, out_rows, stride_out,
             head.value, head.key_value_stride, gradient, keys);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t element = (begin + row) * length;
      float share = 0, slope = 0;
      if (head.padding > 0) {
        share = 1 - total(probabilities + element, begin + row + 1);
        slope = dot(out_rows + row * stride_out, head.padding_value, head.width);
        add_scaled(share, out_rows + row * stride_out, head.width, gradients.padding_value);
      }
      const float sum = softmax_backward(keep, head.dropout.probability > 0,
                                         head.first_element + static_cast<std::uint32_t>(element),
                                         keys, probabilities + element, share * slope,
                                         gradient + row * keys, dropped + row * keys);
      padding[row] = share * (slope - sum);
    }
    multiply({.m = keys, .n = head.width, .k = rows, .transpose_a = true, .beta = 1}, dropped, keys,
             out_rows, stride_out, gradients.value, head.key_value_stride);
    float* const query_gradient = gradients.query + begin * head.query_stride;
    multiply({.m = rows, .n = head.width, .k = keys, .alpha = scale}, gradient, keys, head.key,
             head.key_value_stride, query_gradient, head.query_stride);
    multiply(
        {.m = keys, .n = head.width, .k = rows, .transpose_a = true, .alpha = scale, .beta = 1},
        gradient, keys, query, head.query_stride, gradients.key, head.key_value_stride);
    for (std::int64_t row = 0; head.padding > 0 && row < rows; ++row) {
      const float factor = scale * padding[row];
      add_scaled(factor, head.padding_key, head.width, query_gradient + row * head.query_stride);
      add_scaled(factor, query + row * head.query_stride, head.width, gradients.padding_key);
    }
  }
}

std::int64_t cross_entropy_chunk(std::int64_t items) {
  constexpr std::int64_t kFloats = 1 << 20;
  return std::clamp<std::int64_t>(kFloats / std::max<std::int64_t>(1, items), 16, 512);
}

double cross_entropy(const CrossEntropy& problem, const float* hidden, const float* embedding,
                     const std::int32_t* targets, float* hidden_gradient, float* embedding_gradient,
                     float* scratch) {
  const auto [all_rows, items, width, scale] = problem;
  const std::int64_t chunk = cross_entropy_chunk(items);
  double loss = 0;
  for (std::int64_t begin = 0; begin < all_rows; begin += chunk) {
    const std::int64_t rows = std::min(chunk, all_rows - begin);
    const float* const h = hidden + begin * width;
    multiply({.m = rows, .n = items, .k = width, .transpose_b = true}, h, width, embedding, width,
             scratch, items);
    for (std::int64_t row = 0; row < rows; ++row) {
      float* const logits = scratch + row * items;
      const std::int32_t target = targets[begin + row];
      const float shift = largest(logits, items);
      const float at_target = logits[target] - shift;
      const float sum = exponentials(logits, items, shift);
      loss += static_cast<double>(std::log(sum) - at_target);
      scale_by(logits, items, scale / sum);
      logits[target] -= scale;
    }
    multiply({.m = rows, .n = width, .k = items}, scratch, items, embedding, width,
             hidden_gradient + begin * width, width);
    multiply({.m = items, .n = width, .k = rows, .transpose_a = true, .beta = 1}, scratch, items, h,
             width, embedding_gradient, width);
  }
  return loss;
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
