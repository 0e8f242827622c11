#include "rapport/retrieval/ncf_gradient.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rapport/base/clock.h"

namespace rapport::retrieval {
namespace {

const std::vector<std::vector<data::ItemIndex>> kTaken = {{0, 2}, {1, 2, 4}, {}, {3}, {2, 0, 5}};
constexpr std::int64_t kUsers = 5;
constexpr NcfShape kShape{.items = 7, .dimension = 3, .hidden = 8};

std::vector<std::span<const data::ItemIndex>> histories() {
  return {kTaken.begin(), kTaken.end()};
}

std::vector<float> drawn(std::int64_t count, std::uint64_t seed) {
  base::SplitMix64 random(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random.next() >> 40) * 0x1p-23f - 1;
  return values;
}

using Vector = std::vector<double>;

/// The model of ncf.h and the loss of ncf_gradient.h in double precision, pair by pair.
class Plain {
 public:
  Plain(const NcfLoss& loss, const Vector& weights)
      : loss_(loss), weights_(weights), layout_(ncf_trained_weights(kShape, kUsers)) {}

  double loss(const std::vector<Interaction>& batch, const std::vector<std::int32_t>& negatives,
              bool squares) const {
    const auto count = static_cast<std::size_t>(loss_.negatives);
    double sum = 0;
    for (std::size_t e = 0; e < batch.size(); ++e) {
      sum += pair(batch[e].user, batch[e].item, true, squares);
      for (std::size_t n = e * count; n < (e + 1) * count; ++n)
        sum += pair(batch[e].user, negatives[n], false, squares);
    }
    return sum / static_cast<double>(batch.size() * (count + 1));
  }

 private:
  double at(std::int64_t place) const { return weights_[static_cast<std::size_t>(place)]; }

  Vector layer(const Vector& x, std::int64_t weight, Vector out) const {
    for (std::size_t j = 0; j < out.size(); ++j) {
      for (std::size_t i = 0; i < x.size(); ++i)
        out[j] += x[i] * at(weight + static_cast<std::int64_t>(i * out.size() + j));
    }
    return out;
  }
  Vector row(std::int64_t place, std::int64_t width) const {
    const auto begin = weights_.begin() + place;
    return {begin, begin + width};
  }
  static Vector relu(Vector x) {
    for (double& value : x) value = std::max(0.0, value);
    return x;
  }

  double pair(std::int64_t user, std::int64_t item, bool was_taken, bool squares) const {
    const std::int64_t d = kShape.dimension, h = kShape.hidden, width = kShape.width();
    const std::int64_t p = layout_.user + user * width, q = layout_.item + item * width;
    const NcfTower& tower = layout_.tower;
    double score = at(tower.output_bias);
    for (std::int64_t i = 0; i < d; ++i) score += at(layout_.product + i) * at(p + i) * at(q + i);
    const Vector of_user = layer(row(p + d, h), layout_.user_weight, row(layout_.first_bias, h));
    const Vector x1 = relu(layer(row(q + d, h), layout_.item_weight, of_user));
    const Vector x2 = relu(layer(x1, tower.second_weight, row(tower.second_bias, kShape.second())));
    const Vector x3 = relu(layer(x2, tower.third_weight, row(tower.third_bias, kShape.third())));
    for (std::int64_t i = 0; i < kShape.third(); ++i)
      score += x3[static_cast<std::size_t>(i)] * at(tower.output_weight + i);
    double sum = std::log1p(std::exp(was_taken ? -score : score));
    for (std::int64_t i = 0; squares && i < width; ++i)
      sum += loss_.regularisation / 2 * (at(p + i) * at(p + i) + at(q + i) * at(q + i));
    return sum;
  }

  const NcfLoss& loss_;
  const Vector& weights_;
  const NcfTrainedWeights layout_;
};

TEST(NcfGradient, IsTheSlopeOfThePlainLoss) {
  TrainingThreads threads(2);
  const auto own = histories();
  const NegativeSampler sampler(own, kShape.items, 0.5);
  const std::vector<Interaction> batch = interactions_of(own);
  const NcfLoss loss{.negatives = 3, .regularisation = 0.3};
  NcfGradient gradient(kShape, kUsers, loss, sampler);
  const std::vector<float> weights = drawn(gradient.layout().total, 1);
  const Vector exact(weights.begin(), weights.end());

  std::vector<float> slopes(weights.size(), 7);
  const double value = gradient.compute(batch, weights, 11, threads, slopes);
  std::vector<std::int32_t> negatives;
  sampler.draw(batch, loss.negatives, 11, threads, negatives);
  EXPECT_NEAR(value, Plain(loss, exact).loss(batch, negatives, /*squares=*/false), 1e-6);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    constexpr double kStep = 1e-6;
    Vector up = exact, down = exact;
    up[i] += kStep;
    down[i] -= kStep;
    const double slope = (Plain(loss, up).loss(batch, negatives, true) -
                          Plain(loss, down).loss(batch, negatives, true)) /
                         (2 * kStep);
    ASSERT_NEAR(slopes[i], slope, 2e-6) << i;
  }
}

TEST(NcfGradient, LeavesOutNegativesThatWereNotFound) {
  const std::vector<std::vector<data::ItemIndex>> taken = {{0, 1, 2, 3, 4, 5, 6}};
  const std::vector<std::span<const data::ItemIndex>> own(taken.begin(), taken.end());
  TrainingThreads threads(1);
  const NegativeSampler sampler(own, kShape.items, 0);
  NcfGradient gradient(kShape, 1, {.negatives = 1}, sampler);
  const std::vector<float> weights(static_cast<std::size_t>(gradient.layout().total));
  std::vector<float> slopes(weights.size());
  EXPECT_NEAR(gradient.compute(interactions_of(own), weights, 1, threads, slopes),
              std::log(2.0) / 2, 1e-6);
}

/// Whatever number of negatives was not found: the gradients are those of what there is, but for
/// the number that the mean is over.
TEST(NcfGradient, DecaysNothingForNegativesThatWereNotFound) {
  const std::vector<std::vector<data::ItemIndex>> taken = {{0, 1, 2, 3, 4, 5, 6}};
  const std::vector<std::span<const data::ItemIndex>> own(taken.begin(), taken.end());
  TrainingThreads threads(1);
  const NegativeSampler sampler(own, kShape.items, 0);
  std::vector<std::vector<float>> gradients;
  for (const std::int64_t negatives : {1, 3}) {
    NcfGradient gradient(kShape, 1, {.negatives = negatives, .regularisation = 0.1}, sampler);
    gradients.emplace_back(static_cast<std::size_t>(gradient.layout().total));
    gradient.compute(interactions_of(own), drawn(gradient.layout().total, 1), 1, threads,
                     gradients.back());
    for (float& value : gradients.back()) value *= static_cast<float>(1 + negatives);
  }
  for (std::size_t i = 0; i < gradients[0].size(); ++i)
    EXPECT_NEAR(gradients[0][i], gradients[1][i], 1e-5) << i;
}

TEST(NcfGradient, IsTheSameForAnyNumberOfThreads) {
  std::vector<std::vector<data::ItemIndex>> taken(150);  // several parts
  for (std::size_t user = 0; user < taken.size(); ++user)
    taken[user] = {static_cast<data::ItemIndex>(user % 7),
                   static_cast<data::ItemIndex>((user + 3) % 7)};
  const std::vector<std::span<const data::ItemIndex>> own(taken.begin(), taken.end());
  const NegativeSampler sampler(own, kShape.items, 0.5);
  std::vector<std::vector<float>> results;
  for (const std::int64_t count : {1, 3}) {
    TrainingThreads threads(count);
    NcfGradient gradient(kShape, 150, {.negatives = 2, .regularisation = 0.1}, sampler);
    results.emplace_back(static_cast<std::size_t>(gradient.layout().total));
    gradient.compute(interactions_of(own), drawn(gradient.layout().total, 1), 5, threads,
                     results.back());
  }
  EXPECT_EQ(results[0], results[1]);
}

}  // namespace
}  // namespace rapport::retrieval
