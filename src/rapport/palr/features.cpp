#include "rapport/palr/features.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

namespace rapport::palr {
namespace {

/// Column `from` of rows [candidates × columns] in standard deviations, into column `to`.
void standardise_within(std::span<float> rows, std::size_t columns, std::size_t from,
                        std::size_t to) {
  const std::size_t candidates = rows.size() / columns;
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < candidates; ++i) sum += static_cast<double>(rows[i * columns + from]);
  const double mean = sum / static_cast<double>(candidates);
  for (std::size_t i = 0; i < candidates; ++i) {
    const double away = static_cast<double>(rows[i * columns + from]) - mean;
    squares += away * away;
  }
  const double deviation = std::sqrt(squares / static_cast<double>(candidates));
  // Rounding of the mean is no difference between candidates.
  const bool alike = !(deviation > 1e-6 * std::max(1.0, std::abs(mean)));
  for (std::size_t i = 0; i < candidates; ++i)
    rows[i * columns + to] =
        alike ? 0.0f
              : static_cast<float>((static_cast<double>(rows[i * columns + from]) - mean) /
                                   deviation);
}

}  // namespace

void FeatureSet::add(FeatureFamily family) {
  for (const Feature& feature : family.features) {
    assert(std::ranges::find(columns_, feature.name, &Feature::name) == columns_.end());
    columns_.push_back(feature);
    if (!feature.of_user)
      columns_.push_back({feature.name + ", within user",
                          feature.meaning + "; in standard deviations within the user's candidates",
                          feature.words});
  }
  if (!family.features.empty()) families_.push_back(std::move(family));
}

Result<void> FeatureSet::rows(const FeatureInput& input, std::vector<float>& rows) const {
  const std::size_t candidates = input.pool.size(), width = columns_.size();
  rows.assign(candidates * width, 0.0f);
  if (candidates == 0) return {};
  std::vector<float> values;
  std::size_t column = 0;
  for (const FeatureFamily& family : families_) {
    const std::size_t count = family.features.size();
    values.assign(candidates * count, 0.0f);
    TRY_VOID(family.compute(input, values));
    for (std::size_t f = 0; f < count; ++f) {
      for (std::size_t i = 0; i < candidates; ++i) {
        const float value = values[i * count + f];
        if (!std::isfinite(value))
          return fail(ErrorCode::kInternal,
                      fmt::format("the feature {} is no number", family.features[f].name));
        rows[i * width + column] = value;
      }
      const std::size_t own = column++;
      if (!family.features[f].of_user) standardise_within(rows, width, own, column++);
    }
  }
  return {};
}

}  // namespace rapport::palr
