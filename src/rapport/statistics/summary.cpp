#include "rapport/statistics/summary.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>

namespace rapport::statistics {

Summary summarize(std::span<const double> values) {
  Summary summary{.count = static_cast<std::int64_t>(values.size())};
  if (values.empty()) return summary;
  const auto count = static_cast<double>(values.size());
  summary.mean = weighted_mean(values, {});
  if (values.size() < 2) return summary;
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  summary.deviation = std::sqrt(squares / (count - 1));
  return summary;
}

double weighted_mean(std::span<const double> values, std::span<const double> weights) {
  assert(weights.empty() || weights.size() == values.size());
  double sum = 0, weight_sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double weight = weights.empty() ? 1 : weights[i];
    sum += weight * values[i];
    weight_sum += weight;
  }
  return weight_sum > 0 ? sum / weight_sum : 0;
}

std::string plus_minus(const Summary& summary, int digits) {
  return fmt::format("{:.{}f} ± {:.{}f}", summary.mean, digits, summary.deviation, digits);
}

}  // namespace rapport::statistics
