#include "rapport/retrieval/factor_model.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "rapport/retrieval/fold_in.h"
#include "rapport/retrieval/sizes.h"

namespace rapport::retrieval {
namespace {

std::array<Size, 2> sizes_of(FactorShape& shape) {
  return {{{"items", &shape.items, 1, std::int64_t{1} << 30},
           {"dimension", &shape.dimension, 1, 4096}}};
}

}  // namespace

FactorWeights factor_weights(const FactorShape& shape) {
  FactorWeights weights;
  const std::int64_t d = shape.dimension;
  weights.taken = weights.add("taken_factors", {shape.items, d});
  weights.item = weights.add("item_factors", {shape.items, d});
  if (shape.bias) weights.bias = weights.add("item_bias", {shape.items});
  if (shape.transitions) {
    weights.previous = weights.add("previous_factors", {shape.items, d});
    weights.next = weights.add("next_factors", {shape.items, d});
  }
  return weights;
}

FactorModel::FactorModel(std::string_view kind, const FactorShape& shape,
                         std::vector<float> weights)
    : Retriever(shape.items),
      kind_(kind),
      shape_(shape),
      layout_(factor_weights(shape)),
      weights_(std::move(weights)),
      panels_(shape.items, shape.width()) {
  assert(weights_.size() == static_cast<std::size_t>(layout_.total));
  const std::int64_t d = shape.dimension, width = shape.width();
  std::vector<float> rows(static_cast<std::size_t>(shape.items * width));
  for (std::int64_t item = 0; item < shape.items; ++item) {
    float* const row = rows.data() + item * width;
    std::copy_n(at(layout_.item + item * d), d, row);
    if (shape.transitions) std::copy_n(at(layout_.next + item * d), d, row + d);
    if (shape.bias) row[width - 1] = *at(layout_.bias + item);
  }
  panels_.fill(rows.data(), 0, panels_.count());
}

Result<std::unique_ptr<Retriever>> FactorModel::load(std::string_view kind, FactorShape parts,
                                                     const Json& options,
                                                     const base::Safetensors& file) {
  FactorShape& shape = parts;
  TRY_VOID(read_sizes(kind, options, sizes_of(shape)));
  if (auto checked = check_sizes(sizes_of(shape)); !checked)
    return fail(ErrorCode::kCorrupt, std::move(checked).error().message);
  TRY(std::vector<float> weights, factor_weights(shape).read(file));
  return std::make_unique<FactorModel>(kind, shape, std::move(weights));
}

Json FactorModel::do_options() const {
  FactorShape shape = shape_;
  return sizes_to_json(sizes_of(shape));
}

void FactorModel::do_save(base::SafetensorsWriter& writer) const {
  for (const WeightPlace& place : layout_.places)
    writer.add(place.name, place.shape, {at(place.offset), static_cast<std::size_t>(place.size)});
}

Result<void> FactorModel::do_score(std::span<const Query> queries, std::span<float> scores) const {
  const std::int64_t d = shape_.dimension, width = shape_.width();
  std::vector<float> rows(queries.size() * static_cast<std::size_t>(width));
  float* row = rows.data();
  for (const Query& query : queries) {
    add_mean_of(query.history, at(layout_.taken), d, row);
    if (shape_.transitions && !query.history.empty())
      std::copy_n(at(layout_.previous + query.history.back() * d), d, row + d);
    if (shape_.bias) row[width - 1] = 1;
    row += width;
  }
  panels_.score(rows.data(), static_cast<std::int64_t>(queries.size()), scores.data());
  return {};
}

}  // namespace rapport::retrieval
