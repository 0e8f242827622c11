#include "rapport/retrieval/training/sasrec_gradient.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/training/autograd.h"
#include "rapport/retrieval/training/leaves.h"

namespace rapport::retrieval {
namespace {

using torch::Tensor;

/// Keys of the dropouts of one batch, each another.
class Keys {
 public:
  explicit Keys(std::uint64_t key) : state_(key) {}
  std::uint32_t next() {
    state_ += 0x9e3779b97f4a7c15u;  // SplitMix64
    std::uint64_t x = state_;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return static_cast<std::uint32_t>(x >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace

SasrecGradient::SasrecGradient(const SasrecShape& shape, double dropout,
                               const NextItemLossOptions& loss,
                               const std::optional<ItemSampler>& sampler, const ItemText* text)
    : shape_(shape),
      layout_(sasrec_weights(shape)),
      dropout_(static_cast<float>(dropout)),
      loss_(loss, sampler, shape.items, shape.dimension) {
  if (text != nullptr) text_.emplace(*text, shape.dimension, layout_.total);
}

double SasrecGradient::add(const TrainingBatch& batch, std::span<const float> weights,
                           const ItemPanels& panels, float scale, std::uint64_t key,
                           std::span<float> gradients) {
  const std::int64_t d = shape_.dimension, size = batch.sequences.size();
  if (size == 0) return 0;
  Keys keys(key);
  const auto dropout = [&] { return Dropout{dropout_, keys.next()}; };
  const float root = std::sqrt(static_cast<float>(d));
  const float* const items = weights.data() + layout_.item_embedding;
  const float* const positions = weights.data() + layout_.position_embedding;

  // Item and position embeddings: looked up here, their gradient scattered below.
  Tensor embedded = torch::empty({size, d});
  float* const rows = embedded.data_ptr<float>();
  for (std::int64_t i = 0; i < size; ++i) {
    const float* const item = items + batch.sequences.items[static_cast<std::size_t>(i)] * d;
    const float* const position =
        positions + batch.sequences.positions[static_cast<std::size_t>(i)] * d;
    for (std::int64_t j = 0; j < d; ++j) rows[i * d + j] = item[j] * root + position[j];
  }
  embedded.set_requires_grad(true);

  const Tensor offsets = torch::from_blob(const_cast<std::int64_t*>(batch.sequences.offsets.data()),
                                          {batch.sequences.sequences() + 1}, torch::kInt64);
  const Leaves leaves(tensor_of(weights), tensor_of(gradients));
  const auto norm = [&](const Tensor& x, std::int64_t weight, std::int64_t bias) {
    return torch::layer_norm(x, {d}, leaves.leaf(weight, {d}), leaves.leaf(bias, {d}),
                             static_cast<double>(kSasrecNormEpsilon));
  };
  const auto square = [&](const Tensor& x, std::int64_t weight, std::int64_t bias) {
    return affine(x, leaves.leaf(weight, {d, d}), leaves.leaf(bias, {d}));
  };

  Tensor h = dropped(embedded, dropout());
  for (const SasrecBlock& block : layout_.blocks) {
    const Tensor a = norm(h, block.attention_norm_weight, block.attention_norm_bias);
    const Tensor query = square(a, block.query_weight, block.query_bias);
    const Tensor key_value_bias = leaves.leaf(block.key_value_bias, {2 * d});
    const Tensor key_value =
        affine(h, leaves.leaf(block.key_value_weight, {d, 2 * d}), key_value_bias);
    // Padding is zero before the linear layer, so its keys and values are the biases.
    const Tensor attended = packed_attention(query, key_value, key_value_bias, offsets,
                                             shape_.max_length, shape_.heads, dropout());
    h = h + square(attended, block.output_weight, block.output_bias);
    const Tensor f = norm(h, block.feed_forward_norm_weight, block.feed_forward_norm_bias);
    const Tensor inner =
        dropped(torch::relu(square(f, block.inner_weight, block.inner_bias)), dropout());
    h = add_dropped(f, square(inner, block.outer_weight, block.outer_bias), dropout());
  }
  h = norm(h, layout_.final_norm_weight, layout_.final_norm_bias);

  const Tensor hidden_gradient = torch::empty({size, d});
  KernelLogits kernel;
  if (text_) {
    std::vector<std::int64_t> in_order(static_cast<std::size_t>(size));
    std::iota(in_order.begin(), in_order.end(), 0);
    kernel = text_->forward(batch.sequences, in_order, h.data_ptr<float>(), weights.data());
  }
  const double loss = loss_.add({.embedding = items,
                                 .panels = panels,
                                 .rows = size,
                                 .hidden = h.data_ptr<float>(),
                                 .targets = batch.targets.data(),
                                 .scale = scale,
                                 .hidden_gradient = hidden_gradient.data_ptr<float>(),
                                 .embedding_gradient = gradients.data() + layout_.item_embedding,
                                 .kernel = kernel},
                                keys.next());
  if (text_)
    text_->backward(h.data_ptr<float>(), weights.data(), hidden_gradient.data_ptr<float>(),
                    gradients.data());
  h.backward(hidden_gradient);

  const float* const g = embedded.grad().data_ptr<float>();
  for (std::int64_t i = 0; i < size; ++i) {
    float* const item = gradients.data() + layout_.item_embedding +
                        batch.sequences.items[static_cast<std::size_t>(i)] * d;
    float* const position = gradients.data() + layout_.position_embedding +
                            batch.sequences.positions[static_cast<std::size_t>(i)] * d;
    for (std::int64_t j = 0; j < d; ++j) {
      item[j] += g[i * d + j] * root;
      position[j] += g[i * d + j];
    }
  }
  return loss;
}

}  // namespace rapport::retrieval
