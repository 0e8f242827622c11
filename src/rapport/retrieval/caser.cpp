#include "rapport/retrieval/caser.h"

#include <fmt/format.h>

#include <array>

#include "rapport/retrieval/fold_in.h"
#include "rapport/retrieval/linear.h"
#include "rapport/retrieval/sizes.h"

namespace rapport::retrieval {
namespace {

std::array<Size, 7> sizes_of(CaserShape& shape) {
  return {{{"items", &shape.items, 1, std::int64_t{1} << 30},
           {"dimension", &shape.dimension, 1, 4096},
           {"window", &shape.window, 1, 512},
           {"heights", &shape.heights, 1, shape.window},
           {"horizontal", &shape.horizontal, 1, 1024},
           {"vertical", &shape.vertical, 1, 1024},
           {"history", &shape.history, 0, 8192}}};
}

}  // namespace

Result<void> CaserShape::check() const {
  CaserShape shape = *this;
  return check_sizes(sizes_of(shape));
}

Json CaserShape::to_json() const {
  CaserShape shape = *this;
  return sizes_to_json(sizes_of(shape));
}

Result<CaserShape> CaserShape::from_json(const Json& json) {
  CaserShape shape;
  TRY_VOID(read_sizes("caser", json, sizes_of(shape)));
  if (auto checked = shape.check(); !checked)
    return fail(ErrorCode::kCorrupt, std::move(checked).error().message);
  return shape;
}

namespace {

CaserWeights network_weights(const CaserShape& shape) {
  CaserWeights weights;
  const std::int64_t d = shape.dimension;
  weights.item_embedding = weights.add("item_embedding", {shape.items, shape.scored_width()});
  weights.input_embedding = weights.add("input_embedding", {shape.items, d});
  for (std::int64_t j = 0; j < shape.heights; ++j)
    weights.horizontal.push_back(weights.add(fmt::format("horizontal.{}.weight", j),
                                             {d, (shape.heights - j) * shape.horizontal}));
  weights.horizontal_bias = weights.add("horizontal.bias", {shape.heights * shape.horizontal});
  weights.vertical = weights.add("vertical.weight", {shape.vertical, shape.window});
  weights.output_weight = weights.add("output.weight", {shape.features(), d});
  weights.output_bias = weights.add("output.bias", {d});
  return weights;
}

}  // namespace

CaserWeights caser_weights(const CaserShape& shape) {
  CaserWeights weights = network_weights(shape);
  if (shape.history > 0)
    weights.user = weights.add("taken_embedding", {shape.items, shape.dimension});
  return weights;
}

CaserWeights caser_training_weights(const CaserShape& shape, std::int64_t users) {
  CaserWeights weights = network_weights(shape);
  if (shape.history > 0) weights.user = weights.add("user_embedding", {users, shape.dimension});
  return weights;
}

CaserLayer caser_layer(const CaserShape& shape, const CaserWeights& layout, const float* weights) {
  CaserLayer layer{.dimension = shape.dimension,
                   .window = shape.window,
                   .heights = shape.heights,
                   .filters = shape.horizontal,
                   .vertical_filters = shape.vertical,
                   .horizontal = {},
                   .horizontal_bias = weights + layout.horizontal_bias,
                   .vertical = weights + layout.vertical};
  for (const std::int64_t offset : layout.horizontal) layer.horizontal.push_back(weights + offset);
  return layer;
}

Caser::Caser(const CaserShape& shape, std::vector<float> weights)
    : Caser(shape, caser_weights(shape), std::move(weights)) {}

Caser::Caser(const CaserShape& shape, CaserWeights layout, std::vector<float> weights)
    : SequenceModel(shape.items, shape.scored_width(), shape.max_length(), layout,
                    layout.item_embedding, std::move(weights)),
      shape_(shape),
      layout_(std::move(layout)) {}

Result<std::unique_ptr<Retriever>> Caser::load(const Json& options, const base::Safetensors& file) {
  TRY(const CaserShape shape, CaserShape::from_json(options));
  TRY(std::vector<float> weights, caser_weights(shape).read(file));
  return std::make_unique<Caser>(shape, std::move(weights));
}

void Caser::do_encode(const PackedSequences& batch, std::span<float> hidden) const {
  const std::int64_t d = shape_.dimension;
  const auto floats = [](std::int64_t rows, std::int64_t width) {
    return std::vector<float>(static_cast<std::size_t>(rows * width));
  };
  const CaserLayer layer = caser_layer(shape_, layout_, at(0));
  const Windows windows = newest_windows(batch, shape_.window);
  std::vector<float> x = floats(windows.rows(), d);
  std::vector<float> features = floats(windows.count(), layer.width());
  gather_items(windows, at(layout_.input_embedding), d, x.data());
  CaserTrace trace;
  caser_forward(layer, windows, x.data(), features.data(), trace);
  std::vector<float> encoded = floats(windows.count(), d);
  linear_forward({.rows = windows.count(), .in = layer.width(), .out = d}, features.data(),
                 at(layout_.output_weight), at(layout_.output_bias), encoded.data());
  float* row = hidden.data();
  for (std::int64_t s = 0; s < windows.count(); ++s, row += shape_.scored_width()) {
    put_rectified(encoded.data() + s * d, d, row);
    if (shape_.history == 0) continue;
    const auto first = batch.offsets[static_cast<std::size_t>(s)];
    const auto size = batch.offsets[static_cast<std::size_t>(s + 1)] - first;
    const auto read = std::min(size, shape_.history);
    add_mean_of(
        std::span(batch.items)
            .subspan(static_cast<std::size_t>(first + size - read), static_cast<std::size_t>(read)),
        at(layout_.user), d, row + d);
  }
}

}  // namespace rapport::retrieval
