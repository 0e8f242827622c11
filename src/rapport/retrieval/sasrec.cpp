#include "rapport/retrieval/sasrec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/narrow_product.h"
#include "rapport/retrieval/packed_attention.h"
#include "rapport/retrieval/sizes.h"

namespace rapport::retrieval {
namespace {

std::array<Size, 5> sizes_of(SasrecShape& shape) {
  return {{{"items", &shape.items, 1, std::int64_t{1} << 30},
           {"dimension", &shape.dimension, 1, 4096},
           {"blocks", &shape.blocks, 1, 64},
           {"heads", &shape.heads, 1, 4096},
           {"max_length", &shape.max_length, 1, 8192}}};
}

}  // namespace

Result<void> SasrecShape::check() const {
  SasrecShape shape = *this;
  TRY_VOID(check_sizes(sizes_of(shape)));
  return check_divides("heads", heads, "dimension", dimension);
}

Json SasrecShape::to_json() const {
  SasrecShape shape = *this;
  return sizes_to_json(sizes_of(shape));
}

Result<SasrecShape> SasrecShape::from_json(const Json& json) {
  SasrecShape shape;
  TRY_VOID(read_sizes("sasrec", json, sizes_of(shape)));
  if (auto checked = shape.check(); !checked)
    return fail(ErrorCode::kCorrupt, std::move(checked).error().message);
  return shape;
}

SasrecWeights sasrec_weights(const SasrecShape& shape) {
  SasrecWeights weights;
  const std::int64_t d = shape.dimension;
  weights.item_embedding = weights.add("item_embedding", {shape.items, d});
  weights.position_embedding = weights.add("position_embedding", {shape.max_length, d});
  const TransformerShape block{.dimension = d, .heads = shape.heads, .inner = d};
  for (std::int64_t i = 0; i < shape.blocks; ++i)
    weights.blocks.push_back(add_transformer_block(weights, fmt::format("blocks.{}.", i), block));
  weights.final_norm_weight = weights.add("final_norm.weight", {d});
  weights.final_norm_bias = weights.add("final_norm.bias", {d});
  return weights;
}

Sasrec::Sasrec(const SasrecShape& shape, std::vector<float> weights, std::optional<TextScores> text)
    : Sasrec(shape, sasrec_weights(shape), std::move(weights), std::move(text)) {}

Sasrec::Sasrec(const SasrecShape& shape, SasrecWeights layout, std::vector<float> weights,
               std::optional<TextScores> text)
    : SequenceModel(shape.items, shape.dimension, shape.max_length, layout, layout.item_embedding,
                    std::move(weights), std::move(text)),
      shape_(shape),
      layout_(std::move(layout)) {}

Result<std::unique_ptr<Retriever>> Sasrec::load(const Json& options,
                                                const base::Safetensors& file) {
  TRY(const SasrecShape shape, SasrecShape::from_json(options));
  TRY(std::vector<float> weights, sasrec_weights(shape).read(file));
  TRY(std::optional<TextScores> text,
      TextScores::read(options, file, shape.items, shape.dimension));
  return std::make_unique<Sasrec>(shape, std::move(weights), std::move(text));
}

namespace {

/// h [positions × d] → [sequences × d], the newest position of each; zeros of an empty one.
void keep_newest(const PackedSequences& batch, std::int64_t d, std::vector<float>& h) {
  std::vector<float> newest(h.size());
  for (std::int64_t s = 0; s < batch.sequences(); ++s) {
    const std::int64_t begin = batch.offsets[static_cast<std::size_t>(s)];
    const std::int64_t end = batch.offsets[static_cast<std::size_t>(s) + 1];
    if (end > begin) std::copy_n(h.data() + (end - 1) * d, d, newest.data() + s * d);
  }
  h.swap(newest);
}

}  // namespace

/// The last block and what follows it are computed for each sequence's newest position only:
/// nothing else of them is read.
void Sasrec::do_encode(const PackedSequences& batch, std::span<float> hidden) const {
  const std::int64_t d = shape_.dimension, n = batch.sequences(), size = batch.size();
  const auto floats = [](std::int64_t rows, std::int64_t width) {
    return std::vector<float>(static_cast<std::size_t>(rows * width));
  };

  // The last block and the norm after it write a row a sequence: with empty ones, more than there
  // are positions.
  const std::int64_t most = std::max(size, n);
  std::vector<float> h = floats(most, d), normed = floats(most, d);
  std::vector<float> query = floats(most, d), key_value = floats(size, 2 * d);
  std::vector<std::int64_t> one_a_sequence(static_cast<std::size_t>(n) + 1);
  std::iota(one_a_sequence.begin(), one_a_sequence.end(), std::int64_t{0});
  const float root = std::sqrt(static_cast<float>(d));
  for (std::int64_t i = 0; i < size; ++i) {
    const float* const item =
        at(layout_.item_embedding + batch.items[static_cast<std::size_t>(i)] * d);
    const float* const position =
        at(layout_.position_embedding + batch.positions[static_cast<std::size_t>(i)] * d);
    float* const row = h.data() + i * d;
    for (std::int64_t j = 0; j < d; ++j) row[j] = item[j] * root + position[j];
  }

  // out[rows × width_out] = in · weight, in [rows × d]; or added to it.
  const auto linear = [&](const std::vector<float>& in, std::int64_t rows, std::int64_t weight,
                          std::int64_t width_out, std::vector<float>& out, bool add = false) {
    multiply_narrow({.m = rows,
                     .n = width_out,
                     .k = d,
                     .row_stride = d,
                     .stride_b = width_out,
                     .stride_c = width_out,
                     .add = add},
                    in.data(), at(weight), out.data());
  };
  for (std::size_t b = 0; b < layout_.blocks.size(); ++b) {
    const SasrecBlock& block = layout_.blocks[b];
    const bool last = b + 1 == layout_.blocks.size();
    linear(h, size, block.key_value_weight, 2 * d, key_value);
    add_bias(key_value.data(), size, 2 * d, at(block.key_value_bias));
    const std::int64_t rows = last ? n : size;
    if (last) keep_newest(batch, d, h);
    layer_norm(h.data(), rows, d, at(block.attention_norm_weight), at(block.attention_norm_bias),
               kSasrecNormEpsilon, normed.data());
    linear(normed, rows, block.query_weight, d, query);
    add_bias(query.data(), rows, d, at(block.query_bias));

    std::vector<float> attended = floats(rows, d);
    packed_attention_forward(
        {.query = query.data(),
         .key_value = key_value.data(),
         .query_offsets = last ? std::span<const std::int64_t>(one_a_sequence) : batch.offsets,
         .offsets = batch.offsets,
         .dimension = d,
         .heads = shape_.heads,
         .causal = !last,  // the newest sees all
         .padded_length = shape_.max_length,
         // Padding is zero before the linear layer, so its keys and values are the biases.
         .padding = at(block.key_value_bias)},
        attended.data(), /*probabilities=*/nullptr);
    // h += attended · output; then the feed-forward on top of what it normalised.
    linear(attended, rows, block.output_weight, d, h, /*add=*/true);
    add_bias(h.data(), rows, d, at(block.output_bias));
    layer_norm(h.data(), rows, d, at(block.feed_forward_norm_weight),
               at(block.feed_forward_norm_bias), kSasrecNormEpsilon, normed.data());
    linear(normed, rows, block.inner_weight, d, attended);
    add_bias_relu(attended.data(), rows, d, at(block.inner_bias));
    linear(attended, rows, block.outer_weight, d, normed, /*add=*/true);
    add_bias(normed.data(), rows, d, at(block.outer_bias));
    h.swap(normed);
  }
  layer_norm(h.data(), n, d, at(layout_.final_norm_weight), at(layout_.final_norm_bias),
             kSasrecNormEpsilon, normed.data());
  std::copy_n(normed.data(), n * d, hidden.data());
}

}  // namespace rapport::retrieval
