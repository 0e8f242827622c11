#include <torch/torch.h>

#include "rapport/retrieval/training/network.h"

namespace rapport::retrieval {
namespace {

using torch::Tensor;

Tensor gru4rec_states(const Gru4recShape& shape, const Gru4recWeights& layout, const Leaves& leaves,
                      const PaddedBatch& batch, const RandomDropout& dropped) {
  const std::int64_t d = shape.dimension, h = shape.hidden;
  Tensor x =
      dropped(torch::embedding(leaves.leaf(layout.item_embedding, {shape.items, d}), batch.items));
  const Tensor before = torch::zeros({1, x.size(0), h}, x.options());
  for (const Gru4recLayer& layer : layout.layers) {
    // Its matrices are [3 hidden × in].
    const Tensor states = std::get<0>(torch::gru(
        x, before,
        {leaves.leaf(layer.input_weight, {x.size(2), 3 * h}).t().contiguous(),
         leaves.leaf(layer.recurrent_weight, {h, 3 * h}).t().contiguous(),
         leaves.leaf(layer.input_bias, {3 * h}), leaves.leaf(layer.recurrent_bias, {3 * h})},
        /*has_biases=*/true, /*num_layers=*/1, /*dropout=*/0.0, /*train=*/true,
        /*bidirectional=*/false, /*batch_first=*/true));
    x = dropped(states);
  }
  return torch::matmul(x, leaves.leaf(layout.output_weight, {h, d})) +
         leaves.leaf(layout.output_bias, {d});
}

/// Filters that see `height` items at once, as torch::conv1d has them: [filters × d × height].
Tensor horizontal_filters(const CaserShape& shape, const CaserWeights& layout, const Leaves& leaves,
                          std::int64_t height) {
  std::vector<Tensor> rows;
  for (std::int64_t row = 0; row < height; ++row) {
    const std::int64_t first = (height - 1 - row) * shape.horizontal;
    rows.push_back(leaves
                       .leaf(layout.horizontal[static_cast<std::size_t>(row)],
                             {shape.dimension, (shape.heights - row) * shape.horizontal})
                       .slice(1, first, first + shape.horizontal)
                       .t());
  }
  return torch::stack(rows, 2);
}

Tensor caser_states(const CaserShape& shape, std::int64_t users, const CaserWeights& layout,
                    const Leaves& leaves, const PaddedBatch& batch, const RandomDropout& dropped) {
  const std::int64_t d = shape.dimension, n = batch.items.size(0), length = batch.items.size(1);
  // [sequences × d × time], with so many zeros in front that each position ends a window.
  const Tensor items =
      torch::embedding(leaves.leaf(layout.input_embedding, {shape.items, d}), batch.items);
  const Tensor x = torch::constant_pad_nd(items.transpose(1, 2), {shape.window - 1, 0}, 0);
  std::vector<Tensor> features;  // [sequences × length × …]
  for (std::int64_t height = 1; height <= shape.heights; ++height) {
    const Tensor bias =
        leaves.leaf(layout.horizontal_bias + (height - 1) * shape.horizontal, {shape.horizontal});
    const Tensor sums =
        torch::relu(torch::conv1d(x, horizontal_filters(shape, layout, leaves, height), bias));
    features.push_back(
        torch::max_pool1d(sums, shape.window - height + 1, /*stride=*/1).transpose(1, 2));
  }
  const Tensor vertical = leaves.leaf(layout.vertical, {shape.vertical, shape.window});
  features.push_back(torch::matmul(x.unfold(2, shape.window, 1), vertical.t())
                         .permute({0, 2, 3, 1})
                         .reshape({n, length, shape.vertical * d}));
  const Tensor found = dropped(torch::cat(features, 2));
  const Tensor said =
      torch::relu(torch::matmul(found, leaves.leaf(layout.output_weight, {found.size(2), d})) +
                  leaves.leaf(layout.output_bias, {d}));
  if (shape.history == 0) return said;
  const Tensor user = torch::embedding(leaves.leaf(layout.user, {users, d}), batch.users);
  return torch::cat({said, user.unsqueeze(1).expand_as(said)}, 2);
}

}  // namespace

Network network_of(const Gru4recShape& shape) {
  const Gru4recWeights layout = gru4rec_weights(shape);
  return {.items = shape.items,
          .dimension = shape.dimension,
          .item_embedding = layout.item_embedding,
          .states = [shape, layout](const Leaves& leaves, const PaddedBatch& batch,
                                    const RandomDropout& dropped) {
            return gru4rec_states(shape, layout, leaves, batch, dropped);
          }};
}

Network network_of(const CaserShape& shape, std::int64_t users) {
  const CaserWeights layout = caser_training_weights(shape, users);
  return {.items = shape.items,
          .dimension = shape.scored_width(),
          .item_embedding = layout.item_embedding,
          .states = [shape, users, layout](const Leaves& leaves, const PaddedBatch& batch,
                                           const RandomDropout& dropped) {
            return caser_states(shape, users, layout, leaves, batch, dropped);
          }};
}

}  // namespace rapport::retrieval
