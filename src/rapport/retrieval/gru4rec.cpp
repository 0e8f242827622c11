#include "rapport/retrieval/gru4rec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "rapport/retrieval/linear.h"
#include "rapport/retrieval/sizes.h"

namespace rapport::retrieval {
namespace {

std::array<Size, 5> sizes_of(Gru4recShape& shape) {
  return {{{"items", &shape.items, 1, std::int64_t{1} << 30},
           {"dimension", &shape.dimension, 1, 4096},
           {"hidden", &shape.hidden, 1, 4096},
           {"layers", &shape.layers, 1, 16},
           {"max_length", &shape.max_length, 1, 8192}}};
}

}  // namespace

Result<void> Gru4recShape::check() const {
  Gru4recShape shape = *this;
  return check_sizes(sizes_of(shape));
}

Json Gru4recShape::to_json() const {
  Gru4recShape shape = *this;
  return sizes_to_json(sizes_of(shape));
}

Result<Gru4recShape> Gru4recShape::from_json(const Json& json) {
  Gru4recShape shape;
  TRY_VOID(read_sizes("gru4rec", json, sizes_of(shape)));
  if (auto checked = shape.check(); !checked)
    return fail(ErrorCode::kCorrupt, std::move(checked).error().message);
  return shape;
}

Gru4recWeights gru4rec_weights(const Gru4recShape& shape) {
  Gru4recWeights weights;
  const std::int64_t d = shape.dimension, h = shape.hidden;
  weights.item_embedding = weights.add("item_embedding", {shape.items, d});
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    const std::string layer = fmt::format("layers.{}.", i);
    // Braces evaluate in order, so the file has the parts in this one.
    weights.layers.push_back(
        Gru4recLayer{weights.add(layer + "input.weight", {i == 0 ? d : h, 3 * h}),
                     weights.add(layer + "recurrent.weight", {h, 3 * h}),
                     weights.add(layer + "input.bias", {3 * h}),
                     weights.add(layer + "recurrent.bias", {3 * h})});
  }
  weights.output_weight = weights.add("output.weight", {h, d});
  weights.output_bias = weights.add("output.bias", {d});
  return weights;
}

GruLayer gru4rec_layer(const Gru4recShape& shape, const Gru4recWeights& layout, std::size_t index,
                       const float* weights) {
  const Gru4recLayer& layer = layout.layers[index];
  return {.in = index == 0 ? shape.dimension : shape.hidden,
          .hidden = shape.hidden,
          .input_weight = weights + layer.input_weight,
          .recurrent_weight = weights + layer.recurrent_weight,
          .input_bias = weights + layer.input_bias,
          .recurrent_bias = weights + layer.recurrent_bias};
}

Gru4rec::Gru4rec(const Gru4recShape& shape, std::vector<float> weights,
                 std::optional<TextScores> text)
    : Gru4rec(shape, gru4rec_weights(shape), std::move(weights), std::move(text)) {}

Gru4rec::Gru4rec(const Gru4recShape& shape, Gru4recWeights layout, std::vector<float> weights,
                 std::optional<TextScores> text)
    : SequenceModel(shape.items, shape.dimension, shape.max_length, layout, layout.item_embedding,
                    std::move(weights), std::move(text)),
      shape_(shape),
      layout_(std::move(layout)) {}

Result<std::unique_ptr<Retriever>> Gru4rec::load(const Json& options,
                                                 const base::Safetensors& file) {
  TRY(const Gru4recShape shape, Gru4recShape::from_json(options));
  TRY(std::vector<float> weights, gru4rec_weights(shape).read(file));
  TRY(std::optional<TextScores> text,
      TextScores::read(options, file, shape.items, shape.dimension));
  return std::make_unique<Gru4rec>(shape, std::move(weights), std::move(text));
}

void Gru4rec::do_encode(const PackedSequences& batch, std::span<float> hidden) const {
  const std::int64_t d = shape_.dimension, h = shape_.hidden, n = batch.sequences();
  const auto floats = [](std::int64_t rows, std::int64_t width) {
    return std::vector<float>(static_cast<std::size_t>(rows * width));
  };
  const StepOrder order(batch.offsets);
  std::vector<float> x = floats(order.rows(), d), states = floats(order.rows(), h);
  for (std::int64_t row = 0; row < order.rows(); ++row) {
    const auto position =
        static_cast<std::size_t>(order.positions()[static_cast<std::size_t>(row)]);
    std::copy_n(at(layout_.item_embedding + batch.items[position] * d), d, x.data() + row * d);
  }
  GruTrace trace;
  for (std::size_t i = 0; i < layout_.layers.size(); ++i) {
    if (i > 0) x = states;
    gru_forward(gru4rec_layer(shape_, layout_, i, at(0)), order, x.data(), states.data(), trace);
  }
  std::vector<float> newest = floats(n, h);
  for (std::int64_t s = 0; s < n; ++s) {
    const std::int64_t row = order.newest()[static_cast<std::size_t>(s)];
    if (row >= 0) std::copy_n(states.data() + row * h, h, newest.data() + s * h);
  }
  linear_forward({.rows = n, .in = h, .out = d}, newest.data(), at(layout_.output_weight),
                 at(layout_.output_bias), hidden.data());
}

}  // namespace rapport::retrieval
