#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "rapport/retrieval/training/network.h"

namespace rapport::retrieval {
namespace {

using torch::Tensor;

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

Tensor layer_norm(const Leaves& leaves, const Tensor& x, std::int64_t weight, std::int64_t bias,
                  float epsilon) {
  const std::int64_t d = x.size(-1);
  return torch::layer_norm(x, {d}, leaves.leaf(weight, {d}), leaves.leaf(bias, {d}),
                           static_cast<double>(epsilon));
}

/// x · weight + bias, `out` wide.
Tensor linear(const Leaves& leaves, const Tensor& x, std::int64_t weight, std::int64_t bias,
              std::int64_t out) {
  return torch::matmul(x, leaves.leaf(weight, {x.size(-1), out})) + leaves.leaf(bias, {out});
}

/// Item vectors times √dimension, and those of their positions.
Tensor embedded(const PaddedBatch& batch, const Tensor& items, const Tensor& positions) {
  return torch::embedding(items, batch.items) * std::sqrt(static_cast<double>(items.size(1))) +
         torch::embedding(positions, batch.positions);
}

/// What a block's attention compares and sums up: [sequences × heads × length × d / heads] each.
struct Heads {
  Tensor query, key, value;

  std::int64_t width() const { return query.size(3); }
  /// [sequences × heads × length × keys] of `keys` [… × d / heads × keys].
  Tensor logits(const Tensor& keys) const {
    return torch::matmul(query, keys) / std::sqrt(static_cast<double>(width()));
  }
};

/// `asking` and `asked` [sequences × length × d].
template <typename Block>
Heads heads_of(const Leaves& leaves, const Block& block, const Tensor& asking, const Tensor& asked,
               std::int64_t heads) {
  const std::int64_t d = asked.size(2);
  const auto split = [&](const Tensor& x) {
    return x.reshape({x.size(0), x.size(1), heads, d / heads}).transpose(1, 2);
  };
  const Tensor key_value =
      linear(leaves, asked, block.key_value_weight, block.key_value_bias, 2 * d);
  return {.query = split(linear(leaves, asking, block.query_weight, block.query_bias, d)),
          .key = split(key_value.slice(2, 0, d)),
          .value = split(key_value.slice(2, d, 2 * d))};
}

/// `attended` [sequences × heads × length × d / heads] → [sequences × length × d].
template <typename Block>
Tensor attention_output(const Leaves& leaves, const Block& block, const Tensor& attended) {
  const std::int64_t d = attended.size(1) * attended.size(3);
  const Tensor joined = attended.transpose(1, 2).reshape({attended.size(0), attended.size(2), d});
  return linear(leaves, joined, block.output_weight, block.output_bias, d);
}

/// [length × length], true for a key that is later than its query.
Tensor later(const PaddedBatch& batch) {
  const std::int64_t length = batch.items.size(1);
  return torch::ones({length, length}, batch.items.options().dtype(torch::kBool)).triu(1);
}

Tensor sasrec_states(const SasrecShape& shape, const SasrecWeights& layout, const Leaves& leaves,
                     const PaddedBatch& batch, const RandomDropout& dropped) {
  const std::int64_t d = shape.dimension, heads = shape.heads, length = batch.items.size(1);
  // The padding in front that is attended to: as many keys as are missing, all equal to the bias,
  // are one whose logit is larger by the logarithm of their number.
  const Tensor missing =
      (shape.max_length - batch.lengths).to(torch::kFloat).log().view({-1, 1, 1, 1});
  const auto norm = [&](const Tensor& x, std::int64_t weight, std::int64_t bias) {
    return layer_norm(leaves, x, weight, bias, kSasrecNormEpsilon);
  };
  Tensor h = dropped(embedded(batch, leaves.leaf(layout.item_embedding, {shape.items, d}),
                              leaves.leaf(layout.position_embedding, {shape.max_length, d})));
  for (const SasrecBlock& block : layout.blocks) {
    const Tensor normed = norm(h, block.attention_norm_weight, block.attention_norm_bias);
    const Heads own = heads_of(leaves, block, normed, h, heads);
    const Tensor padding = leaves.leaf(block.key_value_bias, {2, heads, d / heads, 1});
    const Tensor logits =
        torch::cat({own.logits(own.key.transpose(2, 3)).masked_fill(later(batch), kMinusInfinity),
                    own.logits(padding[0]) + missing},
                   3);
    const Tensor shares = torch::softmax(logits, 3);
    const Tensor attended = torch::matmul(dropped(shares.slice(3, 0, length)), own.value) +
                            shares.slice(3, length) * padding[1].transpose(1, 2);
    h = h + attention_output(leaves, block, attended);
    const Tensor f = norm(h, block.feed_forward_norm_weight, block.feed_forward_norm_bias);
    const Tensor inner =
        dropped(torch::relu(linear(leaves, f, block.inner_weight, block.inner_bias, d)));
    h = f + dropped(linear(leaves, inner, block.outer_weight, block.outer_bias, d));
  }
  return norm(h, layout.final_norm_weight, layout.final_norm_bias);
}

Tensor bert4rec_states(const Bert4recShape& shape, const Bert4recWeights& layout,
                       const Leaves& leaves, const PaddedBatch& batch,
                       const RandomDropout& dropped) {
  const std::int64_t d = shape.dimension, length = batch.items.size(1);
  const Tensor padded = torch::arange(length, batch.lengths.options())
                            .ge(batch.lengths.unsqueeze(1))
                            .view({-1, 1, 1, length});
  const auto norm = [&](const Tensor& x, std::int64_t weight, std::int64_t bias) {
    return layer_norm(leaves, x, weight, bias, kTransformerNormEpsilon);
  };
  // The mask's vector lies behind those of the items.
  Tensor h = dropped(embedded(batch, leaves.leaf(layout.item_embedding, {shape.items + 1, d}),
                              leaves.leaf(layout.position_embedding, {shape.max_length, d})));
  for (const TransformerBlock& block : layout.blocks) {
    const Tensor normed = norm(h, block.attention_norm_weight, block.attention_norm_bias);
    const Heads own = heads_of(leaves, block, normed, normed, shape.heads);
    const Tensor shares =
        torch::softmax(own.logits(own.key.transpose(2, 3)).masked_fill(padded, kMinusInfinity), 3);
    h = h + dropped(attention_output(leaves, block, torch::matmul(dropped(shares), own.value)));
    const Tensor f = norm(h, block.feed_forward_norm_weight, block.feed_forward_norm_bias);
    const Tensor inner =
        torch::gelu(linear(leaves, f, block.inner_weight, block.inner_bias, shape.inner), "tanh");
    h = h + dropped(linear(leaves, inner, block.outer_weight, block.outer_bias, d));
  }
  return norm(h, layout.final_norm_weight, layout.final_norm_bias);
}

}  // namespace

Network network_of(const SasrecShape& shape) {
  const SasrecWeights layout = sasrec_weights(shape);
  return {.items = shape.items,
          .dimension = shape.dimension,
          .item_embedding = layout.item_embedding,
          .states = [shape, layout](const Leaves& leaves, const PaddedBatch& batch,
                                    const RandomDropout& dropped) {
            return sasrec_states(shape, layout, leaves, batch, dropped);
          }};
}

Network network_of(const Bert4recShape& shape) {
  const Bert4recWeights layout = bert4rec_weights(shape);
  return {.items = shape.items,
          .dimension = shape.dimension,
          .item_embedding = layout.item_embedding,
          .states = [shape, layout](const Leaves& leaves, const PaddedBatch& batch,
                                    const RandomDropout& dropped) {
            return bert4rec_states(shape, layout, leaves, batch, dropped);
          }};
}

}  // namespace rapport::retrieval
