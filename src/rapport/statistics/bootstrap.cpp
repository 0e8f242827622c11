#include "rapport/statistics/bootstrap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

#include "rapport/base/random.h"
#include "rapport/statistics/summary.h"

namespace rapport::statistics {
namespace {

// Uniform in [0, bound): the high half of a product. Without rejection, some numbers come up to
// bound / 2^32 more often than others (for 22,363 users one in 190,000): far below what any
// bootstrap shows, and it lets one draw of the generator serve two users.
std::uint32_t scaled(std::uint32_t random, std::uint32_t bound) {
  return static_cast<std::uint32_t>((std::uint64_t{random} * bound) >> 32);
}

// How often each user is drawn. A user is drawn about once, so that what follows goes through the
// users in order, whatever the number of columns.
void draw(base::SplitMix64& random, std::vector<float>& times) {
  std::ranges::fill(times, 0.0f);
  const auto users = static_cast<std::uint32_t>(times.size());
  std::uint32_t drawn = 0;
  for (; drawn + 2 <= users; drawn += 2) {
    const std::uint64_t bits = random.next();
    times[scaled(static_cast<std::uint32_t>(bits), users)] += 1;
    times[scaled(static_cast<std::uint32_t>(bits >> 32), users)] += 1;
  }
  if (drawn < users) times[scaled(static_cast<std::uint32_t>(random.next() >> 32), users)] += 1;
}

// Σ times·value. Four sums, since a compiler may not reorder a single one into vector lanes.
double drawn_sum(const std::vector<float>& times, const std::vector<double>& values) {
  constexpr std::size_t kLanes = 4;
  double sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= times.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += static_cast<double>(times[i + lane]) * values[i + lane];
  }
  for (; i < times.size(); ++i) sums[0] += static_cast<double>(times[i]) * values[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

Result<void> check(std::span<const std::vector<double>> columns, std::span<const double> weights,
                   const BootstrapOptions& options) {
  if (options.resamples < 1 || !(options.confidence > 0 && options.confidence < 1)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("bootstrap: {} resamples at a confidence of {}: there must be at least "
                            "one, and the confidence between 0 and 1",
                            options.resamples, options.confidence));
  }
  if (columns.empty() || columns.front().empty())
    return fail(ErrorCode::kInvalidArgument, "bootstrap: there are no users to draw from");
  const std::size_t users = columns.front().size();
  if (users > UINT32_MAX)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("bootstrap: {} users are more than the 2^32 it can draw from", users));
  for (const std::vector<double>& column : columns) {
    if (column.size() != users) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("bootstrap: one column has {} users, another {}", users, column.size()));
    }
    const auto odd = std::ranges::find_if(column, [](double v) { return !std::isfinite(v); });
    if (odd != column.end()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("bootstrap: the value of user {} is {}, which has no mean",
                              odd - column.begin(), *odd));
    }
  }
  if (!weights.empty() && weights.size() != users) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("bootstrap: {} weights for {} users", weights.size(), users));
  }
  const auto odd =
      std::ranges::find_if(weights, [](double w) { return !(w > 0) || !std::isfinite(w); });
  if (odd != weights.end()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("bootstrap: the weight of user {} is {}: it must be positive",
                            odd - weights.begin(), *odd));
  }
  return {};
}

}  // namespace

double quantile(std::span<const double> sorted, double probability) {
  assert(!sorted.empty() && probability >= 0 && probability <= 1);
  const double place = probability * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  if (below + 1 == sorted.size()) return sorted.back();
  const double share = place - static_cast<double>(below);
  return sorted[below] + share * (sorted[below + 1] - sorted[below]);
}

Result<std::vector<Interval>> bootstrap_means(std::span<const std::vector<double>> columns,
                                              std::span<const double> weights,
                                              const BootstrapOptions& options) {
  TRY_VOID(check(columns, weights, options));
  const std::size_t users = columns.front().size();

  // Weight times value, once: what is drawn is then a plain sum.
  const std::vector<double> weight_of(weights.begin(), weights.end());
  std::vector<std::vector<double>> weighted(columns.begin(), columns.end());
  if (!weights.empty()) {
    for (std::vector<double>& column : weighted) {
      for (std::size_t user = 0; user < users; ++user) column[user] *= weights[user];
    }
  }

  std::vector<std::vector<double>> replicates(columns.size());
  base::SplitMix64 random(options.seed);
  std::vector<float> times(users);
  for (std::int64_t resample = 0; resample < options.resamples; ++resample) {
    draw(random, times);
    const double weight =
        weights.empty() ? static_cast<double>(users) : drawn_sum(times, weight_of);
    for (std::size_t column = 0; column < columns.size(); ++column)
      replicates[column].push_back(drawn_sum(times, weighted[column]) / weight);
  }

  std::vector<Interval> intervals;
  const double tail = (1 - options.confidence) / 2;
  for (std::size_t column = 0; column < columns.size(); ++column) {
    std::ranges::sort(replicates[column]);
    intervals.push_back({.estimate = weighted_mean(columns[column], weights),
                         .low = quantile(replicates[column], tail),
                         .high = quantile(replicates[column], 1 - tail)});
  }
  return intervals;
}

Result<Interval> bootstrap_mean(const std::vector<double>& values, std::span<const double> weights,
                                const BootstrapOptions& options) {
  TRY(const std::vector<Interval> intervals,
      bootstrap_means(std::span(&values, 1), weights, options));
  return intervals.front();
}

Result<Interval> bootstrap_paired_difference(std::span<const double> ours,
                                             std::span<const double> theirs,
                                             std::span<const double> weights,
                                             const BootstrapOptions& options) {
  if (ours.size() != theirs.size()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("bootstrap: {} users here and {} there are no pairs", ours.size(),
                            theirs.size()));
  }
  std::vector<double> differences(ours.size());
  std::ranges::transform(ours, theirs, differences.begin(), std::minus{});
  return bootstrap_mean(differences, weights, options);
}

}  // namespace rapport::statistics
