#include "rapport/retrieval/ncf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "rapport/retrieval/fold_in.h"
#include "rapport/retrieval/narrow_product.h"
#include "rapport/retrieval/sizes.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kItems = ItemPanels::kItems;

std::array<Size, 3> sizes_of(NcfShape& shape) {
  return {{{"items", &shape.items, 1, std::int64_t{1} << 30},
           {"dimension", &shape.dimension, 1, 4096},
           {"hidden", &shape.hidden, 4, 4096}}};
}

/// out [rows × kItems] = max(0, in + bias), with one bias a row.
RAPPORT_VECTORISED void relu_rows(const float* in, const float* bias, std::int64_t rows,
                                  float* out) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < kItems; ++i) {
      const float value = in[row * kItems + i] + bias[row];
      out[row * kItems + i] = value > 0 ? value : 0;
    }
  }
}

/// scores [items] += bias + weights · x [rows × kItems].
RAPPORT_VECTORISED void add_output(const float* x, const float* weights, float bias,
                                   std::int64_t rows, std::int64_t items, float* scores) {
  float sums[kItems];
  std::fill_n(sums, kItems, bias);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < kItems; ++i) sums[i] += weights[row] * x[row * kItems + i];
  }
  for (std::int64_t i = 0; i < items; ++i) scores[i] += sums[i];
}

}  // namespace

Result<void> NcfShape::check() const {
  NcfShape shape = *this;
  TRY_VOID(check_sizes(sizes_of(shape)));
  if (hidden % 4 != 0)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("hidden is {}: expected a multiple of 4", hidden), "hidden");
  return {};
}

NcfTower NcfTower::add_to(const NcfShape& shape, WeightLayout& layout) {
  // Braces evaluate in order, so the file has the parts in this one.
  return NcfTower{layout.add("second.weight", {shape.hidden, shape.second()}),
                  layout.add("second.bias", {shape.second()}),
                  layout.add("third.weight", {shape.second(), shape.third()}),
                  layout.add("third.bias", {shape.third()}),
                  layout.add("output.weight", {shape.third()}),
                  layout.add("output.bias", {1})};
}

NcfWeights ncf_weights(const NcfShape& shape) {
  NcfWeights weights;
  weights.taken = weights.add("taken_factors", {shape.items, shape.width()});
  weights.item = weights.add("item_factors", {shape.items, shape.dimension});
  weights.hidden = weights.add("item_hidden", {shape.items, shape.hidden});
  weights.tower = NcfTower::add_to(shape, weights);
  return weights;
}

Ncf::Ncf(const NcfShape& shape, std::vector<float> weights)
    : Retriever(shape.items),
      shape_(shape),
      layout_(ncf_weights(shape)),
      weights_(std::move(weights)),
      items_(shape.items, shape.dimension),
      hidden_(shape.items, shape.hidden) {
  assert(weights_.size() == static_cast<std::size_t>(layout_.total));
  items_.fill(at(layout_.item), 0, items_.count());
  hidden_.fill(at(layout_.hidden), 0, hidden_.count());
}

Result<std::unique_ptr<Retriever>> Ncf::load(const Json& options, const base::Safetensors& file) {
  NcfShape shape;
  TRY_VOID(read_sizes("ncf", options, sizes_of(shape)));
  if (auto checked = shape.check(); !checked)
    return fail(ErrorCode::kCorrupt, std::move(checked).error().message);
  TRY(std::vector<float> weights, ncf_weights(shape).read(file));
  return std::make_unique<Ncf>(shape, std::move(weights));
}

Json Ncf::do_options() const {
  NcfShape shape = shape_;
  return sizes_to_json(sizes_of(shape));
}

void Ncf::do_save(base::SafetensorsWriter& writer) const {
  for (const WeightPlace& place : layout_.places)
    writer.add(place.name, place.shape, {at(place.offset), static_cast<std::size_t>(place.size)});
}

/// scores [items] += those of the MLP for a user whose part of the first layer is `user` [hidden].
/// Items lie along the rows, a panel of them at a time: that is what products are fastest with.
void Ncf::add_tower(const float* user, float* scores, std::vector<float>& layers) const {
  const std::int64_t h = shape_.hidden, second = shape_.second(), third = shape_.third();
  layers.resize(static_cast<std::size_t>((h + second + third) * kItems));
  float* const x1 = layers.data();
  float* const x2 = x1 + h * kItems;
  float* const x3 = x2 + second * kItems;
  const auto multiply = [&](std::int64_t in, std::int64_t out, std::int64_t weight, const float* x,
                            float* y) {
    multiply_narrow({.m = out,
                     .n = kItems,
                     .k = in,
                     .row_stride = 1,
                     .column_stride = out,
                     .stride_b = kItems,
                     .stride_c = kItems},
                    at(weight), x, y);
  };
  const NcfTower& tower = layout_.tower;
  for (std::int64_t panel = 0; panel < hidden_.count(); ++panel) {
    relu_rows(hidden_.panel(panel), user, h, x1);
    multiply(h, second, tower.second_weight, x1, x2);
    relu_rows(x2, at(tower.second_bias), second, x2);
    multiply(second, third, tower.third_weight, x2, x3);
    relu_rows(x3, at(tower.third_bias), third, x3);
    add_output(x3, at(tower.output_weight), *at(tower.output_bias), third, hidden_.items_of(panel),
               scores + panel * kItems);
  }
}

Result<void> Ncf::do_score(std::span<const Query> queries, std::span<float> scores) const {
  const std::int64_t d = shape_.dimension, width = shape_.width();
  std::vector<float> factors(queries.size() * static_cast<std::size_t>(d));
  std::vector<float> hidden(queries.size() * static_cast<std::size_t>(shape_.hidden));
  std::vector<float> user(static_cast<std::size_t>(width)), layers;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    std::ranges::fill(user, 0.0f);
    add_mean_of(queries[i].history, at(layout_.taken), width, user.data());
    std::copy_n(user.data(), d, factors.data() + i * static_cast<std::size_t>(d));
    std::copy_n(user.data() + d, shape_.hidden,
                hidden.data() + i * static_cast<std::size_t>(shape_.hidden));
  }
  items_.score(factors.data(), static_cast<std::int64_t>(queries.size()), scores.data());
  for (std::size_t i = 0; i < queries.size(); ++i)
    add_tower(hidden.data() + i * static_cast<std::size_t>(shape_.hidden),
              scores.data() + i * static_cast<std::size_t>(shape_.items), layers);
  return {};
}

}  // namespace rapport::retrieval
