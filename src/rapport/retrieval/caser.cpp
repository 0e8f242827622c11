#include "rapport/retrieval/caser.h"

#include <fmt/format.h>

#include <array>

#include "rapport/retrieval/history_sum.h"
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

CaserWeights caser_weights(const CaserShape& shape) {
  CaserWeights weights;
  const std::int64_t d = shape.dimension;
  weights.item_embedding = weights.add("item_embedding", {shape.items, d});
  for (std::int64_t j = 0; j < shape.heights; ++j)
    weights.horizontal.push_back(weights.add(fmt::format("horizontal.{}.weight", j),
                                             {d, (shape.heights - j) * shape.horizontal}));
  weights.horizontal_bias = weights.add("horizontal.bias", {shape.heights * shape.horizontal});
  weights.vertical = weights.add("vertical.weight", {shape.vertical, shape.window});
  weights.output_weight = weights.add("output.weight", {shape.features(), d});
  weights.output_bias = weights.add("output.bias", {d});
  return weights;
}

CaserLayer caser_layer(const CaserShape& shape, const CaserWeights& layout, const float* weights) {
  CaserLayer layer{.dimension = shape.dimension,
                   .window = shape.window,
                   .heights = shape.heights,
                   .filters = shape.horizontal,
                   .vertical_filters = shape.vertical,
                   .others = shape.user_width(),
                   .horizontal = {},
                   .horizontal_bias = weights + layout.horizontal_bias,
                   .vertical = weights + layout.vertical};
  for (const std::int64_t offset : layout.horizontal) layer.horizontal.push_back(weights + offset);
  return layer;
}

Caser::Caser(const CaserShape& shape, std::vector<float> weights)
    : Caser(shape, caser_weights(shape), std::move(weights)) {}

Caser::Caser(const CaserShape& shape, CaserWeights layout, std::vector<float> weights)
    : SequenceModel(shape.items, shape.dimension, shape.max_length(), layout, layout.item_embedding,
                    std::move(weights)),
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
  gather_items(windows, at(layout_.item_embedding), d, x.data());
  CaserTrace trace;
  caser_forward(layer, windows, x.data(), features.data(), trace);
  if (layer.others > 0)
    whole_history_sum(batch, at(layout_.item_embedding), d, features.data() + layer.own_width(),
                      layer.width());
  linear_forward({.rows = windows.count(), .in = layer.width(), .out = d}, features.data(),
                 at(layout_.output_weight), at(layout_.output_bias), hidden.data());
}

}  // namespace rapport::retrieval
