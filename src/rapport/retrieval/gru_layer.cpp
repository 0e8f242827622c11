#include "rapport/retrieval/gru_layer.h"

#include <algorithm>
#include <numeric>

#include "rapport/retrieval/linear.h"
#include "rapport/retrieval/narrow_product.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

RAPPORT_INLINE float sigmoid(float x) {
  return 1 / (1 + exponential(-x));
}

RAPPORT_INLINE float hyperbolic_tangent(float x) {
  return 1 - 2 / (1 + exponential(2 * x));
}

/// `gates` [rows × 3 hidden] holds the sums, `recurrent` [rows × hidden] the new gate's h·U;
/// `previous` [rows × hidden] is null at the first step.
RAPPORT_VECTORISED void units_forward(std::int64_t rows, std::int64_t hidden, const float* bias,
                                      const float* previous, float* gates, float* recurrent,
                                      float* states) {
  for (std::int64_t row = 0; row < rows; ++row) {
    float* const reset = gates;
    float* const update = gates + hidden;
    float* const fresh = gates + 2 * hidden;
    for (std::int64_t i = 0; i < 2 * hidden; ++i) gates[i] = sigmoid(gates[i]);
    for (std::int64_t i = 0; i < hidden; ++i) {
      recurrent[i] += bias[i];
      fresh[i] = hyperbolic_tangent(fresh[i] + reset[i] * recurrent[i]);
    }
    if (previous != nullptr) {
      for (std::int64_t i = 0; i < hidden; ++i)
        states[i] = fresh[i] + update[i] * (previous[i] - fresh[i]);
      previous += hidden;
    } else {
      for (std::int64_t i = 0; i < hidden; ++i) states[i] = fresh[i] - update[i] * fresh[i];
    }
    gates += 3 * hidden;
    recurrent += hidden;
    states += hidden;
  }
}

/// Gates and `recurrent` become the gradients of the sums that they were made of;
/// `previous_gradient` gets what passes by the gates.
RAPPORT_VECTORISED void units_backward(std::int64_t rows, std::int64_t hidden,
                                       const float* previous, const float* gradient, float* gates,
                                       float* recurrent, float* previous_gradient) {
  for (std::int64_t row = 0; row < rows; ++row) {
    float* const reset = gates;
    float* const update = gates + hidden;
    float* const fresh = gates + 2 * hidden;
    if (previous != nullptr) {
      for (std::int64_t i = 0; i < hidden; ++i) previous_gradient[i] += gradient[i] * update[i];
    }
    for (std::int64_t i = 0; i < hidden; ++i) {
      const float r = reset[i], z = update[i], n = fresh[i];
      const float sum = gradient[i] * (1 - z) * (1 - n * n);
      const float before = previous != nullptr ? previous[i] : 0.0f;
      reset[i] = sum * recurrent[i] * r * (1 - r);
      update[i] = gradient[i] * (before - n) * z * (1 - z);
      fresh[i] = sum;
      recurrent[i] = sum * r;
    }
    if (previous != nullptr) {
      previous += hidden;
      previous_gradient += hidden;
    }
    gates += 3 * hidden;
    recurrent += hidden;
    gradient += hidden;
  }
}

}  // namespace

StepOrder::StepOrder(std::span<const std::int64_t> offsets) {
  const std::size_t sequences = offsets.size() - 1;
  const auto length = [&](std::int64_t s) {
    return offsets[static_cast<std::size_t>(s) + 1] - offsets[static_cast<std::size_t>(s)];
  };
  std::vector<std::int64_t> longest_first(sequences);
  std::iota(longest_first.begin(), longest_first.end(), 0);
  std::ranges::stable_sort(longest_first, std::greater(), length);
  newest_.assign(sequences, -1);
  positions_.reserve(static_cast<std::size_t>(offsets.back()));
  std::size_t active = sequences;
  for (std::int64_t step = 0;; ++step) {
    while (active > 0 && length(longest_first[active - 1]) <= step) --active;
    if (active == 0) break;
    for (std::size_t i = 0; i < active; ++i) {
      const auto sequence = static_cast<std::size_t>(longest_first[i]);
      newest_[sequence] = static_cast<std::int64_t>(positions_.size());
      positions_.push_back(offsets[sequence] + step);
    }
    begins_.push_back(static_cast<std::int64_t>(positions_.size()));
  }
}

void gru_forward(const GruLayer& layer, const StepOrder& order, const float* x, float* states,
                 GruTrace& trace) {
  const std::int64_t h = layer.hidden, rows = order.rows();
  trace.gates.resize(static_cast<std::size_t>(rows * 3 * h));
  trace.recurrent.resize(static_cast<std::size_t>(rows * h));
  // The input's part of all positions, with the biases of the gates whose sums are plain.
  std::vector<float> bias(layer.input_bias, layer.input_bias + 3 * h);
  for (std::int64_t i = 0; i < 2 * h; ++i)
    bias[static_cast<std::size_t>(i)] += layer.recurrent_bias[i];
  linear_forward({.rows = rows, .in = layer.in, .out = 3 * h}, x, layer.input_weight, bias.data(),
                 trace.gates.data());
  for (std::int64_t step = 0; step < order.steps(); ++step) {
    const std::int64_t begin = order.begin(step), active = order.active(step);
    float* const gates = trace.gates.data() + begin * 3 * h;
    float* const recurrent = trace.recurrent.data() + begin * h;
    const float* const previous = step > 0 ? states + order.begin(step - 1) * h : nullptr;
    if (step > 0) {
      multiply_narrow({.m = active,
                       .n = 2 * h,
                       .k = h,
                       .row_stride = h,
                       .stride_b = 3 * h,
                       .stride_c = 3 * h,
                       .add = true},
                      previous, layer.recurrent_weight, gates);
      multiply_narrow(
          {.m = active, .n = h, .k = h, .row_stride = h, .stride_b = 3 * h, .stride_c = h},
          previous, layer.recurrent_weight + 2 * h, recurrent);
    } else {
      std::fill_n(recurrent, active * h, 0.0f);
    }
    units_forward(active, h, layer.recurrent_bias + 2 * h, previous, gates, recurrent,
                  states + begin * h);
  }
}

void gru_backward(const GruLayer& layer, const StepOrder& order, const float* x,
                  const float* states, float* states_gradient, GruTrace& trace,
                  const GruGradients& gradients) {
  const std::int64_t h = layer.hidden, rows = order.rows();
  const std::vector<float> transposed = transposed_matrix(layer.recurrent_weight, h, 3 * h);
  for (std::int64_t step = order.steps() - 1; step >= 0; --step) {
    const std::int64_t begin = order.begin(step), active = order.active(step);
    float* const gates = trace.gates.data() + begin * 3 * h;
    float* const recurrent = trace.recurrent.data() + begin * h;
    const std::int64_t before = step > 0 ? order.begin(step - 1) * h : 0;
    units_backward(active, h, step > 0 ? states + before : nullptr, states_gradient + begin * h,
                   gates, recurrent, states_gradient + before);
    if (step == 0) continue;
    multiply_narrow({.m = active,
                     .n = h,
                     .k = 2 * h,
                     .row_stride = 3 * h,
                     .stride_b = h,
                     .stride_c = h,
                     .add = true},
                    gates, transposed.data(), states_gradient + before);
    multiply_narrow(
        {.m = active, .n = h, .k = h, .row_stride = h, .stride_b = h, .stride_c = h, .add = true},
        recurrent, transposed.data() + 2 * h * h, states_gradient + before);
  }

  linear_backward(
      {.rows = rows, .in = layer.in, .out = 3 * h}, x, layer.input_weight, trace.gates.data(),
      {.weight = gradients.input_weight, .bias = gradients.input_bias, .x = gradients.x});

  // The recurrent weights see all positions at once: previous states and what came of them, in
  // pieces that stay in the first caches.
  add_column_sums(trace.gates.data(), rows, 2 * h, 3 * h, gradients.recurrent_bias);
  add_column_sums(trace.recurrent.data(), rows, h, h, gradients.recurrent_bias + 2 * h);
  std::vector<float> previous(static_cast<std::size_t>(kRowsAtOnce * h));
  std::int64_t step = 1;
  for (std::int64_t begin = order.steps() > 0 ? order.begin(1) : 0; begin < rows;
       begin += kRowsAtOnce) {
    const std::int64_t count = std::min(kRowsAtOnce, rows - begin);
    for (std::int64_t row = begin; row < begin + count; ++row) {
      while (row >= order.begin(step + 1)) ++step;
      std::copy_n(states + (order.begin(step - 1) + row - order.begin(step)) * h, h,
                  previous.data() + (row - begin) * h);
    }
    const auto add = [&](const float* gradient, std::int64_t stride, std::int64_t width,
                         float* weight) {
      multiply_narrow({.m = h,
                       .n = width,
                       .k = count,
                       .row_stride = 1,
                       .column_stride = h,
                       .stride_b = stride,
                       .stride_c = 3 * h,
                       .add = true},
                      previous.data(), gradient + begin * stride, weight);
    };
    add(trace.gates.data(), 3 * h, 2 * h, gradients.recurrent_weight);
    add(trace.recurrent.data(), h, h, gradients.recurrent_weight + 2 * h);
  }
}

}  // namespace rapport::retrieval
