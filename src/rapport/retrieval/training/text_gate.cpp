#include "rapport/retrieval/training/text_gate.h"

#include <algorithm>

#include "rapport/retrieval/linear.h"

namespace rapport::retrieval {

TextGate::TextGate(const ItemText& text, std::int64_t dimension, std::int64_t begin)
    : text_(text), dimension_(dimension) {
  WeightLayout layout;
  layout.total = begin;
  places_ = add_text_gate(layout, dimension, text.items_read);
}

KernelLogits TextGate::forward(const PackedSequences& sequences,
                               std::span<const std::int64_t> positions, const float* hidden,
                               const float* weights) {
  rows_ = static_cast<std::int64_t>(positions.size());
  const std::int64_t terms = text_.items_read;
  begins_.resize(static_cast<std::size_t>(sequences.size()));
  for (std::size_t s = 0; s + 1 < sequences.offsets.size(); ++s)
    std::fill(begins_.begin() + sequences.offsets[s], begins_.begin() + sequences.offsets[s + 1],
              sequences.offsets[s]);
  const auto size = static_cast<std::size_t>(rows_ * terms);
  contexts_.resize(size);
  amounts_.resize(size);
  slopes_.resize(size);
  const std::span<const std::int32_t> items(sequences.items);
  for (std::size_t row = 0; row < positions.size(); ++row) {
    const auto position = static_cast<std::size_t>(positions[row]);
    const auto begin = static_cast<std::size_t>(begins_[position]);
    newest_items(items.subspan(begin, position + 1 - begin),
                 std::span(contexts_).subspan(row * static_cast<std::size_t>(terms),
                                              static_cast<std::size_t>(terms)));
  }
  linear_forward({.rows = rows_, .in = dimension_, .out = terms}, hidden, weights + places_.weight,
                 weights + places_.bias, amounts_.data());
  return {.kernel = text_.kernel.get(),
          .terms = terms,
          .contexts = contexts_.data(),
          .weights = amounts_.data(),
          .weight_gradient = slopes_.data()};
}

void TextGate::backward(const float* hidden, const float* weights, float* hidden_gradient,
                        float* gradients) {
  through_.resize(static_cast<std::size_t>(rows_ * dimension_));
  linear_backward({.rows = rows_, .in = dimension_, .out = text_.items_read}, hidden,
                  weights + places_.weight, slopes_.data(),
                  {.weight = gradients + places_.weight,
                   .bias = gradients + places_.bias,
                   .x = through_.data()});
  for (std::size_t i = 0; i < through_.size(); ++i) hidden_gradient[i] += through_[i];
}

}  // namespace rapport::retrieval
