#include "rapport/palr/listwise_network.h"

#include <algorithm>
#include <cmath>

namespace rapport::palr {
namespace {

float product(const float* a, const float* b, std::size_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(const float* from, float scale, std::size_t count, float* to) {
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] += scale * from[i];
}

/// Where the parts of a hidden layer lie.
struct Layers {
  std::size_t columns, hidden;
  const float* matrix;
  const float* bias;
  const float* out;
};

Layers layers_of(const NetworkShape& shape, const float* weights) {
  const auto columns = static_cast<std::size_t>(shape.columns);
  const auto hidden = static_cast<std::size_t>(shape.hidden);
  return {columns, hidden, weights, weights + hidden * columns, weights + hidden * (columns + 1)};
}

/// The hidden units of one candidate, after the ReLU; returns its score.
float forward(const Layers& layers, const float* row, float* units) {
  for (std::size_t h = 0; h < layers.hidden; ++h)
    units[h] = std::max(
        0.0f, layers.bias[h] + product(layers.matrix + h * layers.columns, row, layers.columns));
  return product(layers.out, units, layers.hidden);
}

}  // namespace

double softmax(std::span<float> values, std::size_t target) {
  const float highest = *std::ranges::max_element(values);
  const double own = static_cast<double>(values[target] - highest);
  double sum = 0;
  for (float& value : values) {
    value = std::exp(value - highest);
    sum += static_cast<double>(value);
  }
  for (float& value : values) value = static_cast<float>(static_cast<double>(value) / sum);
  return std::log(sum) - own;
}

void network_scores(const NetworkShape& shape, std::span<const float> weights,
                    std::span<const float> rows, std::span<float> scores) {
  const Layers layers = layers_of(shape, weights.data());
  std::vector<float> units(layers.hidden);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const float* row = rows.data() + i * layers.columns;
    scores[i] = layers.hidden > 0 ? forward(layers, row, units.data())
                                  : product(weights.data(), row, layers.columns);
  }
}

double list_loss(const NetworkShape& shape, std::span<const float> weights,
                 std::span<const float> rows, std::size_t target, std::span<float> gradient) {
  const Layers layers = layers_of(shape, weights.data());
  const std::size_t candidates = rows.size() / layers.columns;
  std::vector<float> units(candidates * layers.hidden), scores(candidates);
  for (std::size_t i = 0; i < candidates; ++i) {
    const float* row = rows.data() + i * layers.columns;
    scores[i] = layers.hidden > 0 ? forward(layers, row, units.data() + i * layers.hidden)
                                  : product(weights.data(), row, layers.columns);
  }
  const double loss = softmax(scores, target);
  scores[target] -= 1;  // from here on the derivatives by the scores
  if (layers.hidden == 0) {
    for (std::size_t i = 0; i < candidates; ++i)
      add_scaled(rows.data() + i * layers.columns, scores[i], layers.columns, gradient.data());
    return loss;
  }
  float* matrix = gradient.data();
  float* bias = matrix + layers.hidden * layers.columns;
  float* out = bias + layers.hidden;
  for (std::size_t i = 0; i < candidates; ++i) {
    const float* row = rows.data() + i * layers.columns;
    const float* own = units.data() + i * layers.hidden;
    add_scaled(own, scores[i], layers.hidden, out);
    for (std::size_t h = 0; h < layers.hidden; ++h) {
      if (own[h] <= 0) continue;
      const float back = scores[i] * layers.out[h];
      bias[h] += back;
      add_scaled(row, back, layers.columns, matrix + h * layers.columns);
    }
  }
  return loss;
}

void add_derivatives(const NetworkShape& shape, std::span<const float> weights,
                     std::span<const float> row, std::span<float> sum) {
  const Layers layers = layers_of(shape, weights.data());
  if (layers.hidden == 0) {
    add_scaled(weights.data(), 1, layers.columns, sum.data());
    return;
  }
  std::vector<float> units(layers.hidden);
  forward(layers, row.data(), units.data());
  for (std::size_t h = 0; h < layers.hidden; ++h)
    if (units[h] > 0)
      add_scaled(layers.matrix + h * layers.columns, layers.out[h], layers.columns, sum.data());
}

}  // namespace rapport::palr
