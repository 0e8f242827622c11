#include "rapport/retrieval/factor_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace rapport::retrieval {
namespace {

/// Of the ridge regression, relative to the mean variance of its inputs.
constexpr double kFoldInPenalty = 1e-3;

std::int64_t width_of(const FactorShape& shape) {
  return (shape.transitions ? 2 : 1) * shape.dimension + 1;
}

/// The mean of the items' factors.
void add_mean(std::span<const data::ItemIndex> history, const float* item_factors, std::int64_t d,
              float* mean) {
  const float share = 1 / static_cast<float>(history.size());
  for (const data::ItemIndex item : history) {
    const float* const factors = item_factors + item * d;
    for (std::int64_t i = 0; i < d; ++i) mean[i] += share * factors[i];
  }
}

/// matrix [n × n] · x = right [n × n] for x, in place of `right`, by Cholesky's factors in place of
/// the matrix, which is symmetric and positive definite.
void solve(std::vector<double>& matrix, std::vector<double>& right, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      double sum = matrix[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= matrix[i * n + k] * matrix[j * n + k];
      matrix[i * n + j] = i == j ? std::sqrt(sum) : sum / matrix[j * n + j];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      for (std::size_t c = 0; c < n; ++c) right[i * n + c] -= matrix[i * n + k] * right[k * n + c];
    }
    for (std::size_t c = 0; c < n; ++c) right[i * n + c] /= matrix[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) {
      for (std::size_t c = 0; c < n; ++c) right[i * n + c] -= matrix[k * n + i] * right[k * n + c];
    }
    for (std::size_t c = 0; c < n; ++c) right[i * n + c] /= matrix[i * n + i];
  }
}

}  // namespace

Result<FactorShape> FactorShape::from_json(const Json& json, bool transitions) {
  FactorShape shape{.transitions = transitions};
  struct Field {
    const char* name;
    std::int64_t* value;
    std::int64_t maximum;
  };
  for (const Field& field : {Field{"users", &shape.users, std::int64_t{1} << 30},
                             Field{"items", &shape.items, std::int64_t{1} << 30},
                             Field{"dimension", &shape.dimension, 4096}}) {
    const bool is_there =
        json.is_object() && json.contains(field.name) && json[field.name].is_number_integer();
    if (is_there) *field.value = json[field.name].get<std::int64_t>();
    if (!is_there || *field.value < 1 || *field.value > field.maximum)
      return fail(ErrorCode::kCorrupt,
                  fmt::format("the options have no {} from 1 to {}", field.name, field.maximum));
  }
  return shape;
}

Json FactorShape::to_json() const {
  return {{"users", users}, {"items", items}, {"dimension", dimension}};
}

FactorWeights factor_weights(const FactorShape& shape) {
  FactorWeights weights;
  const std::int64_t d = shape.dimension;
  weights.user = weights.add("user_factors", {shape.users, d});
  weights.item = weights.add("item_factors", {shape.items, d});
  weights.bias = weights.add("item_bias", {shape.items});
  weights.fold_in = weights.add("fold_in", {d, d});
  weights.trained_on = weights.add("trained_on", {shape.users, 2});
  if (shape.transitions) {
    weights.previous = weights.add("previous_factors", {shape.items, d});
    weights.next = weights.add("next_factors", {shape.items, d});
  }
  return weights;
}

PairwiseFactors FactorWeights::factors(const FactorShape& shape, std::span<float> weights) const {
  assert(weights.size() == static_cast<std::size_t>(total));
  const auto place = [&](std::int64_t offset) { return weights.data() + offset; };
  return {.dimension = shape.dimension,
          .user = place(user),
          .item = place(item),
          .bias = place(bias),
          .previous = shape.transitions ? place(previous) : nullptr,
          .next = shape.transitions ? place(next) : nullptr};
}

HistoryMark mark_of(std::span<const data::ItemIndex> history) {
  std::uint64_t hash = 0;
  for (const data::ItemIndex item : history)
    hash = base::SplitMix64(hash + static_cast<std::uint64_t>(item)).next();
  return {.length = static_cast<float>(history.size()), .hash = static_cast<float>(hash >> 40)};
}

void fit_fold_in(const FactorShape& shape,
                 std::span<const std::span<const data::ItemIndex>> histories,
                 std::span<float> weights) {
  const FactorWeights layout = factor_weights(shape);
  const auto n = static_cast<std::size_t>(shape.dimension);
  std::vector<double> squares(n * n), products(n * n);
  for (std::size_t user = 0; user < histories.size(); ++user) {
    if (histories[user].empty()) continue;
    std::vector<float> mean(n);
    add_mean(histories[user], weights.data() + layout.item, shape.dimension, mean.data());
    const float* const factors =
        weights.data() + layout.user + static_cast<std::int64_t>(user) * shape.dimension;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        squares[i * n + j] += static_cast<double>(mean[i] * mean[j]);
        products[i * n + j] += static_cast<double>(mean[i] * factors[j]);
      }
    }
  }
  double trace = 0;
  for (std::size_t i = 0; i < n; ++i) trace += squares[i * n + i];
  if (!(trace > 0)) return;
  for (std::size_t i = 0; i < n; ++i)
    squares[i * n + i] += kFoldInPenalty * trace / static_cast<double>(n);
  solve(squares, products, n);
  std::ranges::transform(products, weights.begin() + layout.fold_in,
                         [](double value) { return static_cast<float>(value); });
}

FactorModel::FactorModel(const FactorShape& shape, std::vector<float> weights)
    : Retriever(shape.items),
      shape_(shape),
      layout_(factor_weights(shape)),
      weights_(std::move(weights)),
      panels_(shape.items, width_of(shape)) {
  assert(weights_.size() == static_cast<std::size_t>(layout_.total));
  const std::int64_t d = shape.dimension, width = width_of(shape);
  std::vector<float> rows(static_cast<std::size_t>(shape.items * width));
  for (std::int64_t item = 0; item < shape.items; ++item) {
    float* const row = rows.data() + item * width;
    std::copy_n(at(layout_.item + item * d), d, row);
    if (shape.transitions) std::copy_n(at(layout_.next + item * d), d, row + d);
    row[width - 1] = *at(layout_.bias + item);
  }
  panels_.fill(rows.data(), 0, panels_.count());
}

Result<std::unique_ptr<Retriever>> FactorModel::load(const Json& options,
                                                     const base::Safetensors& file,
                                                     bool transitions) {
  TRY(const FactorShape shape, FactorShape::from_json(options, transitions));
  TRY(std::vector<float> weights, factor_weights(shape).read(file));
  return std::make_unique<FactorModel>(shape, std::move(weights));
}

void FactorModel::do_save(base::SafetensorsWriter& writer) const {
  for (const WeightPlace& place : layout_.places)
    writer.add(place.name, place.shape, {at(place.offset), static_cast<std::size_t>(place.size)});
}

bool FactorModel::knows(const Query& query) const {
  if (query.user < 0 || query.user >= shape_.users) return false;
  const float* const mark = at(layout_.trained_on + 2 * query.user);
  if (mark[0] < 1 || mark[0] > static_cast<float>(query.history.size())) return false;
  return mark_of(query.history.first(static_cast<std::size_t>(mark[0]))).hash == mark[1];
}

void FactorModel::fold_in(std::span<const data::ItemIndex> history, float* user) const {
  if (history.empty()) return;
  const std::int64_t d = shape_.dimension;
  std::vector<float> mean(static_cast<std::size_t>(d));
  add_mean(history, at(layout_.item), d, mean.data());
  for (std::int64_t i = 0; i < d; ++i) {
    const float* const row = at(layout_.fold_in + i * d);
    for (std::int64_t j = 0; j < d; ++j) user[j] += mean[static_cast<std::size_t>(i)] * row[j];
  }
}

void FactorModel::do_score(std::span<const Query> queries, std::span<float> scores) const {
  const std::int64_t d = shape_.dimension, width = width_of(shape_);
  std::vector<float> rows(queries.size() * static_cast<std::size_t>(width));
  float* row = rows.data();
  for (const Query& query : queries) {
    if (knows(query)) {
      std::copy_n(at(layout_.user + query.user * d), d, row);
    } else {
      fold_in(query.history, row);
    }
    if (shape_.transitions && !query.history.empty())
      std::copy_n(at(layout_.previous + query.history.back() * d), d, row + d);
    row[width - 1] = 1;
    row += width;
  }
  panels_.score(rows.data(), static_cast<std::int64_t>(queries.size()), scores.data());
}

}  // namespace rapport::retrieval
