#include "rapport/retrieval/cross_entropy.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "rapport/retrieval/narrow_product.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kPanel = ItemPanels::kItems;
constexpr std::int64_t kLanes = 16;  // columns of a panel that are reduced side by side
constexpr float kNone = -std::numeric_limits<float>::infinity();

/// most[rows × kLanes] = max(most, logits[rows × kPanel]), columns modulo kLanes.
RAPPORT_VECTORISED void raise(const float* logits, std::int64_t rows, float* most) {
  for (std::int64_t row = 0; row < rows; ++row, logits += kPanel, most += kLanes) {
    for (std::int64_t begin = 0; begin < kPanel; begin += kLanes) {
      for (std::int64_t i = 0; i < kLanes; ++i)
        most[i] = most[i] < logits[begin + i] ? logits[begin + i] : most[i];
    }
  }
}

/// logits[rows × kPanel] → exp(logit - shift of the row); sums[rows × kLanes] += those.
RAPPORT_VECTORISED void exponentiate(float* logits, std::int64_t rows, const float* shifts,
                                     float* sums) {
  for (std::int64_t row = 0; row < rows; ++row, logits += kPanel, sums += kLanes) {
    const float shift = shifts[row];
    for (std::int64_t i = 0; i < kPanel; ++i) logits[i] = exponential(logits[i] - shift);
    for (std::int64_t begin = 0; begin < kPanel; begin += kLanes) {
      for (std::int64_t i = 0; i < kLanes; ++i) sums[i] += logits[begin + i];
    }
  }
}

/// Σ of values[k] times the number of item items[k], which panels of `stride` floats hold from
/// `first` on.
RAPPORT_VECTORISED float dot_in_panels(const float* first, std::size_t stride,
                                       std::span<const std::int32_t> items, const float* values) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t k = 0; k < items.size(); ++k) {
    const auto item = static_cast<std::size_t>(items[k]);
    sum += first[item / kPanel * stride + item % kPanel] * values[k];
  }
  return sum;
}

/// The value of `item` among those of ascending `items`, 0 when it is none of them.
float value_of(std::int32_t item, std::span<const std::int32_t> items,
               std::span<const float> values) {
  const auto found = std::ranges::lower_bound(items, item);
  if (found == items.end() || *found != item) return 0;
  return values[static_cast<std::size_t>(found - items.begin())];
}

}  // namespace

CrossEntropy::CrossEntropy(std::int64_t items, std::int64_t width) : items_(items), width_(width) {
  // As many rows as keep their logits in the second cache, a multiple of the product's six. Every
  // chunk reads the whole embedding and reads and writes its gradient, so that large catalogues,
  // whose logits leave the cache anyway, take no fewer than 24.
  constexpr std::int64_t kFloats = 1 << 19;
  chunk_ = std::clamp<std::int64_t>(kFloats / std::max<std::int64_t>(1, items) / 6 * 6, 24, 144);
  const std::int64_t panels = (items + kPanel - 1) / kPanel;
  logits_.resize(static_cast<std::size_t>(panels * chunk_ * kPanel));
  weighted_.resize(static_cast<std::size_t>(chunk_ * width));
  lanes_.resize(static_cast<std::size_t>(chunk_ * kLanes));
  largest_.resize(static_cast<std::size_t>(chunk_));
}

double CrossEntropy::add(const Batch& batch) {
  assert(batch.panels.items() == items_ && batch.panels.width() == width_);
  const std::int64_t width = batch.panels.width();
  double loss = 0;
  for (std::int64_t begin = 0; begin < batch.rows; begin += chunk_) {
    Batch chunk = batch;
    chunk.rows = std::min(chunk_, batch.rows - begin);
    chunk.hidden += begin * width;
    chunk.targets += begin;
    chunk.hidden_gradient += begin * width;
    const std::int64_t terms = begin * batch.kernel.terms;
    chunk.kernel.contexts += terms;
    chunk.kernel.weights += terms;
    chunk.kernel.weight_gradient += terms;
    loss += add_chunk(chunk);
  }
  return loss;
}

void CrossEntropy::write_kernel_logits(const KernelLogits& kernel, std::int64_t rows) {
  const std::int64_t stride = rows * kPanel;  // from panel to panel
  std::fill_n(logits_.data(), (items_ + kPanel - 1) / kPanel * stride, 0.0f);
  for (std::int64_t i = 0; i < rows * kernel.terms; ++i) {
    const std::int32_t context = kernel.contexts[i];
    if (context < 0) continue;
    float* const first = logits_.data() + i / kernel.terms * kPanel;
    const float weight = kernel.weights[i];
    const auto items = kernel.kernel->row_indices(context);
    const auto values = kernel.kernel->row_values(context);
    for (std::size_t k = 0; k < items.size(); ++k)
      first[items[k] / kPanel * stride + items[k] % kPanel] += weight * values[k];
  }
}

/// Of one row, whose exponentials times `factor` are its shares times `scale`.
void CrossEntropy::write_kernel_gradient(const KernelLogits& kernel, std::int64_t rows,
                                         std::int64_t row, std::int32_t target, float factor,
                                         float scale) {
  for (std::int64_t i = row * kernel.terms; i < (row + 1) * kernel.terms; ++i) {
    kernel.weight_gradient[i] = 0;
    const std::int32_t context = kernel.contexts[i];
    if (context < 0) continue;
    const auto items = kernel.kernel->row_indices(context);
    const auto values = kernel.kernel->row_values(context);
    const float expected =
        dot_in_panels(logits_.data() + row * kPanel, static_cast<std::size_t>(rows * kPanel), items,
                      values.data());
    kernel.weight_gradient[i] = factor * expected - scale * value_of(target, items, values);
  }
}

double CrossEntropy::add_chunk(const Batch& batch) {
  const auto& [embedding, panels, rows, hidden, targets, scale, hidden_gradient, embedding_gradient,
               kernel] = batch;
  const std::int64_t width = panels.width();
  const auto logits_of = [&, n = rows](std::int64_t panel) {
    return logits_.data() + panel * n * kPanel;
  };
  const auto lanes_of = [&](std::int64_t row) { return lanes_.data() + row * kLanes; };

  const bool has_kernel = kernel.kernel != nullptr;
  if (has_kernel) write_kernel_logits(kernel, rows);
  std::fill_n(lanes_.data(), rows * kLanes, kNone);
  for (std::int64_t panel = 0; panel < panels.count(); ++panel) {
    float* const logits = logits_of(panel);
    multiply_narrow({.m = rows,
                     .n = kPanel,
                     .k = width,
                     .row_stride = width,
                     .stride_b = kPanel,
                     .stride_c = kPanel,
                     .add = has_kernel},
                    hidden, panels.panel(panel), logits);
    for (std::int64_t i = panels.items_of(panel); i < kPanel; ++i) {
      for (std::int64_t row = 0; row < rows; ++row) logits[row * kPanel + i] = kNone;
    }
    raise(logits, rows, lanes_.data());
  }

  double loss = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float largest = *std::max_element(lanes_of(row), lanes_of(row) + kLanes);
    const std::int64_t target = targets[row];
    largest_[static_cast<std::size_t>(row)] = largest;
    loss -=
        static_cast<double>(logits_of(target / kPanel)[row * kPanel + target % kPanel] - largest);
  }

  // The exponentials as they are, without their sum: it goes into the other factor below.
  std::fill_n(lanes_.data(), rows * kLanes, 0.0f);
  for (std::int64_t panel = 0; panel < panels.count(); ++panel) {
    float* const logits = logits_of(panel);
    exponentiate(logits, rows, largest_.data(), lanes_.data());
    multiply_narrow({.m = rows,
                     .n = width,
                     .k = panels.items_of(panel),
                     .row_stride = kPanel,
                     .stride_b = width,
                     .stride_c = width,
                     .add = panel > 0},
                    logits, embedding + panel * kPanel * width, hidden_gradient);
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    float sum = 0;
    for (std::int64_t i = 0; i < kLanes; ++i) sum += lanes_of(row)[i];
    loss += static_cast<double>(std::log(sum));
    const float factor = scale / sum;
    if (has_kernel) write_kernel_gradient(kernel, rows, row, targets[row], factor, scale);
    const float* const target = embedding + targets[row] * width;
    for (std::int64_t i = 0; i < width; ++i) {
      float& gradient = hidden_gradient[row * width + i];
      gradient = gradient * factor - scale * target[i];
      weighted_[static_cast<std::size_t>(row * width + i)] = hidden[row * width + i] * factor;
    }
  }
  for (std::int64_t panel = 0; panel < panels.count(); ++panel) {
    multiply_narrow({.m = panels.items_of(panel),
                     .n = width,
                     .k = rows,
                     .row_stride = 1,
                     .column_stride = kPanel,
                     .stride_b = width,
                     .stride_c = width,
                     .add = true},
                    logits_of(panel), weighted_.data(),
                    embedding_gradient + panel * kPanel * width);
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    float* const gradient = embedding_gradient + targets[row] * width;
    for (std::int64_t i = 0; i < width; ++i) gradient[i] -= scale * hidden[row * width + i];
  }
  return loss;
}

}  // namespace rapport::retrieval
