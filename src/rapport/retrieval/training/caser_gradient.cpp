#include "rapport/retrieval/training/caser_gradient.h"

#include <algorithm>
#include <cassert>

#include "rapport/base/random.h"
#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/linear.h"

namespace rapport::retrieval {

CaserGradient::CaserGradient(const CaserShape& shape, std::int64_t users, double dropout,
                             const NextItemLossOptions& loss,
                             const std::optional<ItemSampler>& sampler)
    : shape_(shape),
      layout_(caser_training_weights(shape, users)),
      dropout_(static_cast<float>(dropout)),
      loss_(loss, sampler, shape.items, shape.scored_width()) {}

/// Rows of what the windows say, through a ReLU, and of the users' vectors.
void CaserGradient::join(const TrainingBatch& batch, std::span<const float> weights) {
  const std::int64_t d = shape_.dimension;
  float* row = hidden_.data();
  for (std::size_t s = 0; s < batch.users.size(); ++s, row += shape_.scored_width()) {
    put_rectified(encoded_.data() + static_cast<std::int64_t>(s) * d, d, row);
    if (shape_.history > 0)
      std::copy_n(weights.data() + layout_.user + batch.users[s] * d, d, row + d);
  }
}

/// Their gradient to both.
void CaserGradient::part(const TrainingBatch& batch, std::span<float> gradients) {
  const std::int64_t d = shape_.dimension;
  const float* gradient = hidden_gradient_.data();
  float* encoded = encoded_gradient_.data();
  for (std::size_t s = 0; s < batch.users.size(); ++s, encoded += d) {
    const float* const passed = encoded_.data() + static_cast<std::int64_t>(s) * d;
    for (std::int64_t i = 0; i < d; ++i) encoded[i] = passed[i] > 0 ? gradient[i] : 0.0f;
    if (shape_.history > 0) {
      float* const user = gradients.data() + layout_.user + batch.users[s] * d;
      for (std::int64_t i = 0; i < d; ++i) user[i] += gradient[d + i];
    }
    gradient += shape_.scored_width();
  }
}

double CaserGradient::add(const TrainingBatch& batch, std::span<const float> weights,
                          const ItemPanels& panels, float scale, std::uint64_t key,
                          std::span<float> gradients) {
  const std::int64_t d = shape_.dimension;
  const CaserLayer layer = caser_layer(shape_, layout_, weights.data());
  const Windows windows = newest_windows(batch.sequences, shape_.window);
  assert(batch.users.size() == static_cast<std::size_t>(windows.count()));
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
  for (auto* const x : {&hidden_, &hidden_gradient_})
    resize(*x, windows.count(), shape_.scored_width());

  gather_items(windows, weights.data() + layout_.input_embedding, d, x_.data());
  caser_forward(layer, windows, x_.data(), features_.data(), trace_);
  drop(features_);
  const LinearShape output{.rows = windows.count(), .in = layer.width(), .out = d};
  linear_forward(output, features_.data(), weights.data() + layout_.output_weight,
                 weights.data() + layout_.output_bias, encoded_.data());
  join(batch, weights);
  const double loss = loss_.add({.embedding = weights.data() + layout_.item_embedding,
                                 .panels = panels,
                                 .rows = windows.count(),
                                 .hidden = hidden_.data(),
                                 .targets = batch.targets.data(),
                                 .scale = scale,
                                 .hidden_gradient = hidden_gradient_.data(),
                                 .embedding_gradient = gradients.data() + layout_.item_embedding},
                                keys.next());

  part(batch, gradients);
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
  for (const std::int64_t offset : layout_.horizontal)
    places.horizontal.push_back(gradients.data() + offset);
  caser_backward(layer, windows, x_.data(), features_.data(), features_gradient_.data(), trace_,
                 places);
  float* const items = gradients.data() + layout_.input_embedding;
  const float* gradient = x_gradient_.data();
  for (const std::int32_t item : windows.items) {
    for (std::int64_t i = 0; item >= 0 && i < d; ++i) items[item * d + i] += gradient[i];
    gradient += d;
  }
  return loss;
}

}  // namespace rapport::retrieval
