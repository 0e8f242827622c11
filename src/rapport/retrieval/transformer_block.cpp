#include "rapport/retrieval/transformer_block.h"

#include <algorithm>

#include "rapport/retrieval/linear.h"
#include "rapport/retrieval/packed_attention.h"

namespace rapport::retrieval {
namespace {

std::vector<float> floats(std::int64_t rows, std::int64_t width) {
  return std::vector<float>(static_cast<std::size_t>(rows * width));
}

/// The position that is the `i`-th wanted one.
std::int64_t position(const TransformerRows& rows, std::int64_t i) {
  return rows.wanted.empty() ? i : rows.wanted[static_cast<std::size_t>(i)];
}

/// out [wanted × d] of x [positions × d].
void gather(const TransformerRows& rows, std::int64_t d, const float* x, float* out) {
  for (std::int64_t i = 0; i < rows.count(); ++i)
    std::copy_n(x + position(rows, i) * d, d, out + i * d);
}

/// sum [positions × d] += x [wanted × d], at their positions.
void scatter(const TransformerRows& rows, std::int64_t d, const float* x, float* sum) {
  for (std::int64_t i = 0; i < rows.count(); ++i) {
    float* const row = sum + position(rows, i) * d;
    for (std::int64_t j = 0; j < d; ++j) row[j] += x[i * d + j];
  }
}

/// [sequences + 1] where each sequence's wanted positions begin among the wanted.
std::vector<std::int64_t> wanted_offsets(const TransformerRows& rows) {
  if (rows.wanted.empty()) return {rows.offsets.begin(), rows.offsets.end()};
  std::vector<std::int64_t> offsets;
  for (const std::int64_t offset : rows.offsets)
    offsets.push_back(std::ranges::lower_bound(rows.wanted, offset) - rows.wanted.begin());
  return offsets;
}

PackedAttention attention_of(const TransformerShape& shape, const TransformerRows& rows,
                             const Dropout& dropout, const TransformerTrace& trace) {
  return {.query = trace.query.data(),
          .key_value = trace.key_value.data(),
          .query_offsets = trace.query_offsets,
          .offsets = rows.offsets,
          .dimension = shape.dimension,
          .heads = shape.heads,
          .causal = false,
          .dropout = dropout};
}

}  // namespace

TransformerBlock add_transformer_block(WeightLayout& layout, const std::string& prefix,
                                       const TransformerShape& shape) {
  const std::int64_t d = shape.dimension, inner = shape.inner;
  const auto add = [&](const char* name, std::vector<std::int64_t> extents) {
    return layout.add(prefix + name, std::move(extents));
  };
  // Braces evaluate in order, so the file has the parts in the order they are applied.
  return {add("attention_norm.weight", {d}),
          add("attention_norm.bias", {d}),
          add("query.weight", {d, d}),
          add("query.bias", {d}),
          add("key_value.weight", {d, 2 * d}),
          add("key_value.bias", {2 * d}),
          add("output.weight", {d, d}),
          add("output.bias", {d}),
          add("feed_forward_norm.weight", {d}),
          add("feed_forward_norm.bias", {d}),
          add("feed_forward.0.weight", {d, inner}),
          add("feed_forward.0.bias", {inner}),
          add("feed_forward.1.weight", {inner, d}),
          add("feed_forward.1.bias", {d})};
}

void transformer_forward(const TransformerShape& shape, const TransformerBlock& block,
                         const float* weights, const TransformerRows& rows,
                         const TransformerDropout& dropout, const float* x, float* out,
                         TransformerTrace& trace) {
  const std::int64_t d = shape.dimension, inner = shape.inner;
  const std::int64_t size = rows.positions(), count = rows.count();
  const auto at = [&](std::int64_t offset) { return weights + offset; };
  // What is there is written over.
  const auto take = [](std::vector<float>& part, std::int64_t n, std::int64_t width) {
    part.resize(static_cast<std::size_t>(n * width));
    return part.data();
  };
  float* const normed = take(trace.normed, size, d);
  layer_norm(x, size, d, at(block.attention_norm_weight), at(block.attention_norm_bias),
             kTransformerNormEpsilon, normed);
  linear_forward({.rows = size, .in = d, .out = 2 * d}, normed, at(block.key_value_weight),
                 at(block.key_value_bias), take(trace.key_value, size, 2 * d));
  const float* wanted = normed;
  if (!rows.wanted.empty()) {
    gather(rows, d, normed, take(trace.normed_wanted, count, d));
    wanted = trace.normed_wanted.data();
  }
  const LinearShape square{.rows = count, .in = d, .out = d};
  linear_forward(square, wanted, at(block.query_weight), at(block.query_bias),
                 take(trace.query, count, d));
  trace.query_offsets = wanted_offsets(rows);
  const PackedAttention attention = attention_of(shape, rows, dropout.attention, trace);
  if (trace.goes_back) trace.probabilities.resize(packed_attention_elements(attention));
  packed_attention_forward(attention, take(trace.attended, count, d),
                           trace.goes_back ? trace.probabilities.data() : nullptr);

  std::vector<float> added = floats(count, d);
  linear_forward(square, trace.attended.data(), at(block.output_weight), at(block.output_bias),
                 added.data());
  float* const middle = take(trace.middle, count, d);
  gather(rows, d, x, middle);
  add_with_dropout(dropout.output, count * d, middle, added.data(), middle);

  layer_norm(middle, count, d, at(block.feed_forward_norm_weight), at(block.feed_forward_norm_bias),
             kTransformerNormEpsilon, take(trace.middle_normed, count, d));
  linear_forward({.rows = count, .in = d, .out = inner}, trace.middle_normed.data(),
                 at(block.inner_weight), at(block.inner_bias), take(trace.inner, count, inner));
  gelu(count * inner, trace.inner.data(), take(trace.activated, count, inner));
  linear_forward({.rows = count, .in = inner, .out = d}, trace.activated.data(),
                 at(block.outer_weight), at(block.outer_bias), added.data());
  add_with_dropout(dropout.feed_forward, count * d, middle, added.data(), out);
}

void transformer_backward(const TransformerShape& shape, const TransformerBlock& block,
                          const float* weights, const TransformerRows& rows,
                          const TransformerDropout& dropout, const float* x,
                          const float* out_gradient, const TransformerTrace& trace,
                          float* gradients, float* x_gradient) {
  const std::int64_t d = shape.dimension, inner = shape.inner;
  const std::int64_t size = rows.positions(), count = rows.count();
  const auto at = [&](std::int64_t offset) { return weights + offset; };
  const auto into = [&](std::int64_t offset) { return gradients + offset; };
  std::vector<float> in = floats(count, d), out = floats(count, d);  // of the part under way

  // The feed-forward half.
  apply_dropout(dropout.feed_forward, 0, count * d, out_gradient, in.data());
  std::vector<float> inner_gradient = floats(count, inner);
  linear_backward({.rows = count, .in = inner, .out = d}, trace.activated.data(),
                  at(block.outer_weight), in.data(),
                  {into(block.outer_weight), into(block.outer_bias), inner_gradient.data()});
  gelu_backward(count * inner, trace.inner.data(), inner_gradient.data());
  linear_backward({.rows = count, .in = d, .out = inner}, trace.middle_normed.data(),
                  at(block.inner_weight), inner_gradient.data(),
                  {into(block.inner_weight), into(block.inner_bias), in.data()});
  std::vector<float> middle_gradient = floats(count, d);
  layer_norm_backward(trace.middle.data(), count, d, at(block.feed_forward_norm_weight),
                      kTransformerNormEpsilon, in.data(),
                      {into(block.feed_forward_norm_weight), into(block.feed_forward_norm_bias),
                       middle_gradient.data()});
  for (std::int64_t i = 0; i < count * d; ++i)
    middle_gradient[static_cast<std::size_t>(i)] += out_gradient[i];

  // The attention's.
  const LinearShape square{.rows = count, .in = d, .out = d};
  apply_dropout(dropout.output, 0, count * d, middle_gradient.data(), in.data());
  linear_backward(square, trace.attended.data(), at(block.output_weight), in.data(),
                  {into(block.output_weight), into(block.output_bias), out.data()});
  std::vector<float> key_value_gradient = floats(size, 2 * d), normed_gradient = floats(size, d);
  packed_attention_backward(attention_of(shape, rows, dropout.attention, trace),
                            trace.probabilities.data(), out.data(),
                            {.query = in.data(), .key_value = key_value_gradient.data()});
  linear_backward(
      {.rows = size, .in = d, .out = 2 * d}, trace.normed.data(), at(block.key_value_weight),
      key_value_gradient.data(),
      {into(block.key_value_weight), into(block.key_value_bias), normed_gradient.data()});
  linear_backward(square, rows.wanted.empty() ? trace.normed.data() : trace.normed_wanted.data(),
                  at(block.query_weight), in.data(),
                  {into(block.query_weight), into(block.query_bias), out.data()});
  scatter(rows, d, out.data(), normed_gradient.data());
  layer_norm_backward(
      x, size, d, at(block.attention_norm_weight), kTransformerNormEpsilon, normed_gradient.data(),
      {into(block.attention_norm_weight), into(block.attention_norm_bias), x_gradient});
  scatter(rows, d, middle_gradient.data(), x_gradient);
}

}  // namespace rapport::retrieval
