#include "rapport/retrieval/linear_model.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace rapport::retrieval {

Json LinearReading::to_json(std::int64_t items) const {
  return {{"items", items}, {"decay", decay}, {"history", history}};
}

LinearModel::LinearModel(SparseMatrix weights, const LinearReading& reading)
    : Retriever(weights.rows()), weights_(std::move(weights)), reading_(reading) {
  assert(weights_.rows() == weights_.columns);
}

Result<LinearModel::Parts> LinearModel::read(const Json& options, const base::Safetensors& file) {
  const auto is = [&](const char* name, bool (Json::*type)() const noexcept) {
    return options.is_object() && options.contains(name) && (options[name].*type)();
  };
  if (!is("items", &Json::is_number_integer) || !is("decay", &Json::is_number) ||
      !is("history", &Json::is_number_integer))
    return fail(ErrorCode::kCorrupt, "the options lack items, decay or history");
  const auto items = options["items"].get<std::int64_t>();
  const LinearReading reading{.decay = options["decay"].get<double>(),
                              .history = options["history"].get<std::int64_t>()};
  if (items < 1 || items > std::numeric_limits<std::int32_t>::max() || !(reading.decay > 0) ||
      reading.decay > 1 || reading.history < 0)
    return fail(ErrorCode::kCorrupt, "items, decay or history is out of range");
  TRY(SparseMatrix weights, SparseMatrix::read(file, "weights", items, items));
  return Parts{std::move(weights), reading};
}

Result<void> LinearModel::do_score(std::span<const Query> queries, std::span<float> scores) const {
  const auto items = static_cast<std::size_t>(this->items());
  std::ranges::fill(scores, 0.0f);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    float* const row = scores.data() + i * items;
    auto history = queries[i].history;
    if (reading_.history > 0 && history.size() > static_cast<std::size_t>(reading_.history))
      history = history.last(static_cast<std::size_t>(reading_.history));
    double weight = 1;
    for (auto item = history.rbegin(); item != history.rend(); ++item) {
      const auto columns = weights_.row_indices(*item);
      const auto values = weights_.row_values(*item);
      const auto scale = static_cast<float>(weight);
      for (std::size_t k = 0; k < columns.size(); ++k) row[columns[k]] += scale * values[k];
      weight *= reading_.decay;
    }
  }
  return {};
}

}  // namespace rapport::retrieval
