#include "rapport/retrieval/training/gru4rec_gradient.h"

#include <algorithm>

#include "rapport/base/random.h"
#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/linear.h"

namespace rapport::retrieval {
namespace {

/// At least as long as it has to be; what is in it stays, so that growing is all it costs.
float* grown(std::vector<float>& values, std::int64_t size) {
  if (values.size() < static_cast<std::size_t>(size)) values.resize(static_cast<std::size_t>(size));
  return values.data();
}

}  // namespace

Gru4recGradient::Gru4recGradient(const Gru4recShape& shape, double dropout,
                                 const NextItemLossOptions& loss,
                                 const std::optional<ItemSampler>& sampler, const ItemText* text)
    : shape_(shape),
      layout_(gru4rec_weights(shape)),
      dropout_(static_cast<float>(dropout)),
      loss_(loss, sampler, shape.items, shape.dimension),
      layers_(layout_.layers.size()) {
  if (text != nullptr) text_.emplace(*text, shape.dimension, layout_.total);
}

double Gru4recGradient::add(const TrainingBatch& batch, std::span<const float> weights,
                            const ItemPanels& panels, float scale, std::uint64_t key,
                            std::span<float> gradients) {
  const std::int64_t d = shape_.dimension, h = shape_.hidden, rows = batch.sequences.size();
  if (rows == 0) return 0;
  const StepOrder order(batch.sequences.offsets);
  base::SplitMix64 keys(key);
  std::vector<Dropout> dropouts;  // of the item vectors, then of each layer's states
  for (std::size_t i = 0; i <= layers_.size(); ++i)
    dropouts.push_back({dropout_, static_cast<std::uint32_t>(keys.next())});
  const auto position = [&](std::int64_t row) {
    return static_cast<std::size_t>(order.positions()[static_cast<std::size_t>(row)]);
  };
  const auto drop = [&](const Dropout& dropout, std::int64_t width, const float* x, float* out) {
    if (dropout.probability > 0) {
      apply_dropout(dropout, 0, rows * width, x, out);
    } else if (out != x) {
      std::copy_n(x, rows * width, out);
    }
  };

  const float* const items = weights.data() + layout_.item_embedding;
  float* const embedded = grown(layers_.front().x, rows * d);
  targets_.resize(static_cast<std::size_t>(rows));
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(items + batch.sequences.items[position(row)] * d, d, embedded + row * d);
    targets_[static_cast<std::size_t>(row)] = batch.targets[position(row)];
  }
  drop(dropouts[0], d, embedded, embedded);
  float* const read = grown(read_, rows * std::max(d, h));
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    float* const states = grown(layer.states, rows * h);
    gru_forward(gru4rec_layer(shape_, layout_, i, weights.data()), order, layer.x.data(), states,
                layer.trace);
    const bool last = i + 1 == layers_.size();
    drop(dropouts[i + 1], h, states, last ? read : grown(layers_[i + 1].x, rows * h));
  }
  const LinearShape output{.rows = rows, .in = h, .out = d};
  float* const encoded = grown(encoded_, rows * d);
  float* const encoded_gradient = grown(encoded_gradient_, rows * d);
  linear_forward(output, read, weights.data() + layout_.output_weight,
                 weights.data() + layout_.output_bias, encoded);
  KernelLogits kernel;
  if (text_) kernel = text_->forward(batch.sequences, order.positions(), encoded, weights.data());
  const double loss = loss_.add({.embedding = items,
                                 .panels = panels,
                                 .rows = rows,
                                 .hidden = encoded,
                                 .targets = targets_.data(),
                                 .scale = scale,
                                 .hidden_gradient = encoded_gradient,
                                 .embedding_gradient = gradients.data() + layout_.item_embedding,
                                 .kernel = kernel},
                                keys.next());
  if (text_) text_->backward(encoded, weights.data(), encoded_gradient, gradients.data());

  float* gradient = grown(gradient_, rows * std::max(d, h));
  linear_backward(output, read, weights.data() + layout_.output_weight, encoded_gradient,
                  {.weight = gradients.data() + layout_.output_weight,
                   .bias = gradients.data() + layout_.output_bias,
                   .x = gradient});
  float* next = read;  // nothing reads it any more
  for (std::size_t i = layers_.size(); i-- > 0;) {
    Layer& layer = layers_[i];
    const Gru4recLayer& places = layout_.layers[i];
    drop(dropouts[i + 1], h, gradient, gradient);
    gru_backward(gru4rec_layer(shape_, layout_, i, weights.data()), order, layer.x.data(),
                 layer.states.data(), gradient, layer.trace,
                 {.input_weight = gradients.data() + places.input_weight,
                  .recurrent_weight = gradients.data() + places.recurrent_weight,
                  .input_bias = gradients.data() + places.input_bias,
                  .recurrent_bias = gradients.data() + places.recurrent_bias,
                  .x = next});
    std::swap(gradient, next);
  }
  drop(dropouts[0], d, gradient, gradient);
  for (std::int64_t row = 0; row < rows; ++row) {
    float* const item =
        gradients.data() + layout_.item_embedding + batch.sequences.items[position(row)] * d;
    for (std::int64_t j = 0; j < d; ++j) item[j] += gradient[row * d + j];
  }
  return loss;
}

}  // namespace rapport::retrieval
