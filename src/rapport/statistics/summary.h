// A mean and how far its values lie apart.
//
//   const Summary ndcg = summarize(of_each_seed);
//   fmt::print("{}", plus_minus(ndcg, 4));   // "0.1820 ± 0.0014"
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace rapport::statistics {

struct Summary {
  std::int64_t count = 0;
  double mean = 0;       // 0 without values
  double deviation = 0;  // of a sample (divided by count - 1); 0 for fewer than two values
};

/// In two passes, so that values far from zero lose no digits. A NaN makes both figures NaN.
Summary summarize(std::span<const double> values);

/// Σ weight·value / Σ weight. No weights: each counts 1. 0 without values or without weight.
/// Precondition: no weights, or as many as values.
double weighted_mean(std::span<const double> values, std::span<const double> weights);

/// "0.1820 ± 0.0014", both with `digits` after the point.
std::string plus_minus(const Summary& summary, int digits);

}  // namespace rapport::statistics
