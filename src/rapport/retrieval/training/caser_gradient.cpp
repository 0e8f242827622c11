#include "rapport/retrieval/training/caser_gradient.h"

#include "rapport/base/random.h"
#include "rapport/retrieval/history_sum.h"
#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/linear.h"

namespace rapport::retrieval {

CaserGradient::CaserGradient(const CaserShape& shape, double dropout,
                             const NextItemLossOptions& loss,
                             const std::optional<ItemSampler>& sampler)
    : shape_(shape),
      layout_(caser_weights(shape)),
      dropout_(static_cast<float>(dropout)),
      loss_(loss, sampler, shape.items, shape.dimension) {}

double CaserGradient::add(const TrainingBatch& batch, std::span<const float> weights,
                          const ItemPanels& panels, float scale, std::uint64_t key,
                          std::span<float> gradients) {
  const std::int64_t d = shape_.dimension;
  const CaserLayer layer = caser_layer(shape_, layout_, weights.data());
  const Windows windows = every_window(batch.sequences, shape_.window);
  if (windows.count() == 0) return 0;
  base::SplitMix64 keys(key);
  const Dropout dropout{dropout_, static_cast<std::uint32_t>(keys.next())};
  const auto drop = [&](std::vector<float>& features) {
    if (dropout.probability > 0)
      apply_dropout(dropout, 0, static_cast<std::int64_t>(features.size()), features.data(),
                    features.data());
  };
  const auto resize = [](std::vector<float>& values, std::int64_t rows, std::int64_t width) {
    values.resize(static_cast<std::size_t>(rows * width));
  };
  for (auto* const x : {&x_, &x_gradient_}) resize(*x, windows.rows(), d);
  for (auto* const x : {&features_, &features_gradient_})
    resize(*x, windows.count(), layer.width());
  for (auto* const x : {&encoded_, &encoded_gradient_}) resize(*x, windows.count(), d);

  const float* const items = weights.data() + layout_.item_embedding;
  float* const items_gradient = gradients.data() + layout_.item_embedding;
  gather_items(windows, items, d, x_.data());
  caser_forward(layer, windows, x_.data(), features_.data(), trace_);
  if (layer.others > 0)
    every_history_sum(batch.sequences, items, d, features_.data() + layer.own_width(),
                      layer.width());
  drop(features_);
  const LinearShape output{.rows = windows.count(), .in = layer.width(), .out = d};
  linear_forward(output, features_.data(), weights.data() + layout_.output_weight,
                 weights.data() + layout_.output_bias, encoded_.data());
  const double loss = loss_.add({.embedding = items,
                                 .panels = panels,
                                 .rows = windows.count(),
                                 .hidden = encoded_.data(),
                                 .targets = batch.targets.data(),
                                 .scale = scale,
                                 .hidden_gradient = encoded_gradient_.data(),
                                 .embedding_gradient = items_gradient},
                                keys.next());

  linear_backward(output, features_.data(), weights.data() + layout_.output_weight,
                  encoded_gradient_.data(),
                  {.weight = gradients.data() + layout_.output_weight,
                   .bias = gradients.data() + layout_.output_bias,
                   .x = features_gradient_.data()});
  drop(features_gradient_);
  CaserGradients places{.horizontal = {},
                        .horizontal_bias = gradients.data() + layout_.horizontal_bias,
                        .vertical = gradients.data() + layout_.vertical,
                        .x = x_gradient_.data()};
  if (layer.others > 0)
    every_history_sum_backward(batch.sequences, features_gradient_.data() + layer.own_width(), d,
                               layer.width(), items_gradient);
  for (const std::int64_t offset : layout_.horizontal)
    places.horizontal.push_back(gradients.data() + offset);
  caser_backward(layer, windows, x_.data(), features_.data(), features_gradient_.data(), trace_,
                 places);
  const float* gradient = x_gradient_.data();
  for (const std::int32_t item : windows.items) {
    for (std::int64_t i = 0; item >= 0 && i < d; ++i) items_gradient[item * d + i] += gradient[i];
    gradient += d;
  }
  return loss;
}

}  // namespace rapport::retrieval
