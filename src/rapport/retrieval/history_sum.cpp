#include "rapport/retrieval/history_sum.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

/// What the sum of `count` items is multiplied by.
float share_of(std::int64_t count) {
  return static_cast<float>(1 / std::sqrt(static_cast<double>(count)));
}

RAPPORT_VECTORISED void add(const float* x, std::int64_t width, float* sum) {
  for (std::int64_t i = 0; i < width; ++i) sum[i] += x[i];
}

RAPPORT_VECTORISED void scale(const float* x, float factor, std::int64_t width, float* out) {
  for (std::int64_t i = 0; i < width; ++i) out[i] = factor * x[i];
}

RAPPORT_VECTORISED void add_scaled(const float* x, float factor, std::int64_t width, float* sum) {
  for (std::int64_t i = 0; i < width; ++i) sum[i] += factor * x[i];
}

/// work(sequence, its first position, its size)
template <typename Work>
void for_sequences(const PackedSequences& batch, const Work& work) {
  for (std::int64_t s = 0; s < batch.sequences(); ++s) {
    const std::int64_t first = batch.offsets[static_cast<std::size_t>(s)];
    work(s, first, batch.offsets[static_cast<std::size_t>(s + 1)] - first);
  }
}

const float* vector_of(const PackedSequences& batch, const float* embedding, std::int64_t width,
                       std::int64_t position) {
  return embedding + batch.items[static_cast<std::size_t>(position)] * width;
}

}  // namespace

void every_history_sum(const PackedSequences& batch, const float* embedding, std::int64_t width,
                       float* sums, std::int64_t stride) {
  std::vector<float> sum(static_cast<std::size_t>(width));
  for_sequences(batch, [&](std::int64_t, std::int64_t first, std::int64_t size) {
    std::ranges::fill(sum, 0.0f);
    for (std::int64_t i = 0; i < size; ++i) {
      add(vector_of(batch, embedding, width, first + i), width, sum.data());
      scale(sum.data(), share_of(i + 1), width, sums + (first + i) * stride);
    }
  });
}

void whole_history_sum(const PackedSequences& batch, const float* embedding, std::int64_t width,
                       float* sums, std::int64_t stride) {
  std::vector<float> sum(static_cast<std::size_t>(width));
  for_sequences(batch, [&](std::int64_t sequence, std::int64_t first, std::int64_t size) {
    std::ranges::fill(sum, 0.0f);
    for (std::int64_t i = 0; i < size; ++i)
      add(vector_of(batch, embedding, width, first + i), width, sum.data());
    scale(sum.data(), size > 0 ? share_of(size) : 0.0f, width, sums + sequence * stride);
  });
}

void every_history_sum_backward(const PackedSequences& batch, const float* gradient,
                                std::int64_t width, std::int64_t stride,
                                float* embedding_gradient) {
  std::vector<float> sum(static_cast<std::size_t>(width));
  for_sequences(batch, [&](std::int64_t, std::int64_t first, std::int64_t size) {
    std::ranges::fill(sum, 0.0f);  // an item is in the sums of all positions from its own on
    for (std::int64_t i = size - 1; i >= 0; --i) {
      add_scaled(gradient + (first + i) * stride, share_of(i + 1), width, sum.data());
      add(sum.data(), width,
          embedding_gradient + batch.items[static_cast<std::size_t>(first + i)] * width);
    }
  });
}

}  // namespace rapport::retrieval
