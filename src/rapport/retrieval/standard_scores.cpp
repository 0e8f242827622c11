#include "rapport/retrieval/standard_scores.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <utility>
#include <vector>

#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

/// Sums run in so many strands, which one vector instruction adds to at once; their order is fixed,
/// so that a score does not depend on the company it is computed in.
constexpr std::size_t kStrands = 16;

struct Sums {
  double first = 0, second = 0;  // Σ (x − origin), Σ (x − origin)²
};

RAPPORT_VECTORISED Sums sums_about(const float* scores, std::size_t count, double origin) {
  std::array<double, kStrands> first{}, second{};
  std::size_t i = 0;
  for (; i + kStrands <= count; i += kStrands) {
    for (std::size_t j = 0; j < kStrands; ++j) {
      const double x = static_cast<double>(scores[i + j]) - origin;
      first[j] += x;
      second[j] += x * x;
    }
  }
  for (std::size_t j = 0; i + j < count; ++j) {
    const double x = static_cast<double>(scores[i + j]) - origin;
    first[j] += x;
    second[j] += x * x;
  }
  Sums sums;
  for (std::size_t j = 0; j < kStrands; ++j) {
    sums.first += first[j];
    sums.second += second[j];
  }
  return sums;
}

RAPPORT_VECTORISED void add_damped(const float* scores, std::size_t count,
                                   const StandardScale& scale, float weight, float* sum) {
  for (std::size_t i = 0; i < count; ++i) {
    const float z = (scores[i] - scale.mean) * scale.inverse;
    sum[i] += weight * std::copysign(std::sqrt(1 + std::abs(z)) - 1, z);
  }
}

/// The first score of an item that was not seen. Precondition: there is one.
float first_unseen(std::span<const float> scores, std::span<const data::ItemIndex> seen) {
  std::size_t item = 0;
  while (item < seen.size() && static_cast<std::size_t>(seen[item]) == item) ++item;
  return scores[item];
}

}  // namespace

std::optional<StandardScale> standard_scale(std::span<float> scores,
                                            std::span<const data::ItemIndex> seen) {
  assert(std::ranges::is_sorted(seen) && seen.size() <= scores.size());
  if (seen.size() == scores.size()) return std::nullopt;
  const auto count = static_cast<double>(scores.size() - seen.size());
  // Sums about a score of the user's own lose no digits, and what was seen adds nothing to them
  // when it stands there in the meantime.
  const float origin = first_unseen(scores, seen);
  std::vector<float> kept;
  kept.reserve(seen.size());
  for (const data::ItemIndex item : seen)
    kept.push_back(std::exchange(scores[static_cast<std::size_t>(item)], origin));
  const Sums sums = sums_about(scores.data(), scores.size(), static_cast<double>(origin));
  for (std::size_t i = 0; i < seen.size(); ++i) scores[static_cast<std::size_t>(seen[i])] = kept[i];

  const double offset = sums.first / count;
  const double mean = static_cast<double>(origin) + offset;
  const double deviation = std::sqrt(std::max(0.0, sums.second / count - offset * offset));
  constexpr double kFloats = 1e-6;  // what is nearer to each other is rounding
  if (!std::isfinite(sums.second) || !(deviation > kFloats * std::abs(mean))) return std::nullopt;
  const StandardScale scale{static_cast<float>(mean), static_cast<float>(1 / deviation)};
  // Beyond these, what is computed in floats would be no number.
  constexpr double kLeast = 1e-37, kMost = 1e30;
  if (deviation < kLeast || deviation > kMost || std::abs(mean) > kMost) return std::nullopt;
  return scale;
}

void add_damped(std::span<const float> scores, const StandardScale& scale, float weight,
                std::span<float> sum) {
  assert(scores.size() == sum.size());
  add_damped(scores.data(), scores.size(), scale, weight, sum.data());
}

}  // namespace rapport::retrieval
