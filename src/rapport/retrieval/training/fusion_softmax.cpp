#include "rapport/retrieval/training/fusion_softmax.h"

#include <algorithm>
#include <cmath>

#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/training_threads.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kShards = 64;  // of users; so many sums are added up in their order
constexpr double kL2 = 1e-4;          // a user's
constexpr int kSteps = 50;            // at most; some ten are needed

RAPPORT_VECTORISED void multiply(const float* a, const float* b, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = a[i] * b[i];
}

/// One user's share.
class PoolLikelihood {
 public:
  void add(const FusionPool& pool, std::span<const double> weights, SoftmaxLikelihood& sum) {
    const auto items = static_cast<std::size_t>(pool.items);
    const std::size_t members = weights.size();
    const auto scores = [&](std::size_t m) { return pool.scores.data() + m * items; };
    shares_.assign(items, 0.0f);
    weighted_.resize(items);
    means_.resize(members);
    for (std::size_t m = 0; m < members; ++m)
      add_scaled(static_cast<float>(weights[m]), scores(m), pool.items, shares_.data());
    const float target = shares_[0], most = std::ranges::max(shares_);
    const float total = exponentials(shares_.data(), pool.items, most);
    sum.value += pool.weight * static_cast<double>(target - most - std::log(total));
    for (std::size_t m = 0; m < members; ++m) {
      means_[m] = static_cast<double>(dot(shares_.data(), scores(m), pool.items) / total);
      sum.gradient[m] += pool.weight * (static_cast<double>(scores(m)[0]) - means_[m]);
    }
    for (std::size_t m = 0; m < members; ++m) {
      multiply(shares_.data(), scores(m), items, weighted_.data());
      for (std::size_t k = 0; k <= m; ++k) {
        const auto product =
            static_cast<double>(dot(weighted_.data(), scores(k), pool.items) / total) -
            means_[m] * means_[k];
        sum.curvature[m * members + k] += pool.weight * product;
        if (k < m) sum.curvature[k * members + m] += pool.weight * product;
      }
    }
  }

 private:
  std::vector<float> shares_, weighted_;
  std::vector<double> means_;
};

SoftmaxLikelihood nothing(std::size_t members) {
  return {.gradient = std::vector<double>(members),
          .curvature = std::vector<double>(members * members)};
}

void add(const SoftmaxLikelihood& part, SoftmaxLikelihood& sum) {
  sum.value += part.value;
  std::ranges::transform(sum.gradient, part.gradient, sum.gradient.begin(), std::plus<>());
  std::ranges::transform(sum.curvature, part.curvature, sum.curvature.begin(), std::plus<>());
}

/// The place of the largest value of the likelihood's second-order model, none below 0: one weight
/// at a time, which converges for a model that curves everywhere.
std::vector<double> largest_of_model(const SoftmaxLikelihood& at, std::vector<double> weights) {
  const std::vector<double> start = weights;
  const std::size_t members = weights.size();
  for (int sweep = 0; sweep < 200; ++sweep) {
    for (std::size_t m = 0; m < members; ++m) {
      double slope = at.gradient[m];
      for (std::size_t k = 0; k < members; ++k)
        slope -= at.curvature[m * members + k] * (weights[k] - start[k]);
      weights[m] = std::max(0.0, weights[m] + slope / at.curvature[m * members + m]);
    }
  }
  return weights;
}

/// With the L2 on the weights.
SoftmaxLikelihood held_back(std::span<const FusionPool> pools, std::span<const double> weights,
                            TrainingThreads& threads) {
  SoftmaxLikelihood likelihood = softmax_likelihood(pools, weights, threads);
  const double l2 = kL2 * static_cast<double>(pools.size());
  for (std::size_t m = 0; m < weights.size(); ++m) {
    likelihood.value -= l2 / 2 * weights[m] * weights[m];
    likelihood.gradient[m] -= l2 * weights[m];
    likelihood.curvature[m * (weights.size() + 1)] += l2;
  }
  return likelihood;
}

}  // namespace

SoftmaxLikelihood softmax_likelihood(std::span<const FusionPool> pools,
                                     std::span<const double> weights, TrainingThreads& threads) {
  std::vector<SoftmaxLikelihood> parts(kShards, nothing(weights.size()));
  const auto count = static_cast<std::int64_t>(pools.size());
  threads.each(kShards, [&](std::int64_t shard) {
    PoolLikelihood of_pool;
    for (std::int64_t i = count * shard / kShards; i < count * (shard + 1) / kShards; ++i) {
      const FusionPool& pool = pools[static_cast<std::size_t>(i)];
      if (pool.reached) of_pool.add(pool, weights, parts[static_cast<std::size_t>(shard)]);
    }
  });
  SoftmaxLikelihood sum = nothing(weights.size());
  for (const SoftmaxLikelihood& part : parts) add(part, sum);
  return sum;
}

std::vector<double> softmax_weights(std::span<const FusionPool> pools, TrainingThreads& threads) {
  std::vector<double> weights(pools.front().ranks.size(), 1.0);
  SoftmaxLikelihood here = held_back(pools, weights, threads);
  for (int i = 0; i < kSteps; ++i) {
    const std::vector<double> model = largest_of_model(here, weights);
    double length = 1;
    for (; length > 1e-3; length /= 2) {
      std::vector<double> next = weights;
      for (std::size_t m = 0; m < next.size(); ++m) next[m] += length * (model[m] - weights[m]);
      SoftmaxLikelihood there = held_back(pools, next, threads);
      if (there.value <= here.value) continue;
      const double gain = there.value - here.value;
      weights = std::move(next);
      here = std::move(there);
      if (gain < 1e-7 * static_cast<double>(pools.size())) return weights;
      break;
    }
    if (length <= 1e-3) return weights;  // as near as floats come
  }
  return weights;
}

}  // namespace rapport::retrieval
