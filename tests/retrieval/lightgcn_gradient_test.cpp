#include "rapport/retrieval/lightgcn_gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "rapport/base/clock.h"
#include "rapport/retrieval/lightgcn_trainer.h"

namespace rapport::retrieval {
namespace {

const std::vector<std::vector<data::ItemIndex>> kTaken = {{0, 2}, {1, 2, 4}, {}, {3}, {2, 0, 5}};
constexpr std::int64_t kItems = 7, kUsers = 5, kNodes = kUsers + kItems;  // nobody took item 6
constexpr LightgcnShape kShape{.dimension = 5, .layers = 3};

std::vector<std::span<const data::ItemIndex>> histories() {
  return {kTaken.begin(), kTaken.end()};
}

std::vector<float> drawn(std::int64_t count, std::uint64_t seed) {
  base::SplitMix64 random(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random.next() >> 40) * 0x1p-24f - 0.5f;
  return values;
}

using Matrix = std::vector<std::vector<double>>;

Matrix plain_graph() {
  Matrix graph(kNodes, std::vector<double>(kNodes));
  std::map<data::ItemIndex, double> degrees;
  for (const auto& history : kTaken)
    for (const data::ItemIndex item : history) ++degrees[item];
  for (std::size_t user = 0; user < kTaken.size(); ++user) {
    for (const data::ItemIndex item : kTaken[user]) {
      const double weight = 1 / std::sqrt(static_cast<double>(kTaken[user].size()) * degrees[item]);
      graph[user][kUsers + static_cast<std::size_t>(item)] = weight;
      graph[kUsers + static_cast<std::size_t>(item)][user] = weight;
    }
  }
  return graph;
}

/// The mean of all layers, one after the other.
std::vector<double> plain_model(const std::vector<double>& embeddings) {
  const auto width = static_cast<std::size_t>(kShape.dimension);
  const Matrix graph = plain_graph();
  std::vector<double> layer = embeddings, mean = embeddings;
  for (std::int64_t i = 0; i < kShape.layers; ++i) {
    std::vector<double> next(layer.size());
    for (std::size_t to = 0; to < kNodes; ++to)
      for (std::size_t from = 0; from < kNodes; ++from)
        for (std::size_t k = 0; k < width; ++k)
          next[to * width + k] += graph[to][from] * layer[from * width + k];
    layer = next;
    for (std::size_t k = 0; k < mean.size(); ++k) mean[k] += layer[k];
  }
  for (double& value : mean) value /= static_cast<double>(kShape.layers + 1);
  return mean;
}

/// In double precision, as the header says it; with the squares where they are asked for.
double plain_loss(const std::vector<Interaction>& batch, const std::vector<std::int32_t>& negatives,
                  const LightgcnLoss& loss, const std::vector<double>& embeddings, bool squares) {
  const auto width = static_cast<std::size_t>(kShape.dimension);
  const std::vector<double> model = plain_model(embeddings);
  const auto product = [&](const std::vector<double>& rows, std::size_t a, std::size_t b) {
    double sum = 0;
    for (std::size_t k = 0; k < width; ++k) sum += rows[a * width + k] * rows[b * width + k];
    return sum;
  };
  const auto count = static_cast<std::size_t>(loss.negatives);
  double sum = 0;
  for (std::size_t e = 0; e < batch.size(); ++e) {
    const auto user = static_cast<std::size_t>(batch[e].user);
    const auto add_squares = [&](std::size_t item) {
      if (squares)
        sum += loss.regularisation / 2 *
               (product(embeddings, user, user) + product(embeddings, item, item));
    };
    const std::size_t own = kUsers + static_cast<std::size_t>(batch[e].item);
    add_squares(own);
    for (std::size_t n = e * count; n < (e + 1) * count; ++n) {
      if (negatives[n] < 0) continue;
      const std::size_t other = kUsers + static_cast<std::size_t>(negatives[n]);
      const double margin = product(model, user, own) - product(model, user, other);
      sum += std::log1p(std::exp(-margin)) / static_cast<double>(count);
      add_squares(other);
    }
  }
  return sum / static_cast<double>(batch.size());
}

TEST(LightgcnGradient, IsTheSlopeOfThePlainLoss) {
  TrainingThreads threads(2);
  const auto own = histories();
  const NegativeSampler sampler(own, kItems, 0.5);
  const std::vector<Interaction> batch = interactions_of(own);
  const std::vector<float> embeddings = drawn(kNodes * kShape.dimension, 1);
  const std::vector<double> exact(embeddings.begin(), embeddings.end());
  for (const LightgcnLoss& loss :
       {LightgcnLoss{}, LightgcnLoss{.negatives = 3, .regularisation = 0.3}}) {
    LightgcnGradient gradient(own, kItems, kShape, loss, sampler);
    std::vector<float> slopes(embeddings.size(), 7);
    const double value = gradient.compute(batch, embeddings, 11, threads, slopes);
    std::vector<std::int32_t> negatives;
    sampler.draw(batch, loss.negatives, 11, threads, negatives);
    EXPECT_NEAR(value, plain_loss(batch, negatives, loss, exact, /*squares=*/false), 1e-6);
    for (std::size_t i = 0; i < exact.size(); ++i) {
      constexpr double kStep = 1e-5;
      std::vector<double> up = exact, down = exact;
      up[i] += kStep;
      down[i] -= kStep;
      const double slope = (plain_loss(batch, negatives, loss, up, true) -
                            plain_loss(batch, negatives, loss, down, true)) /
                           (2 * kStep);
      ASSERT_NEAR(slopes[i], slope, 2e-6) << i;
    }
  }
}

TEST(LightgcnGradient, IsTheSameForAnyNumberOfThreads) {
  std::vector<std::vector<data::ItemIndex>> taken;  // several parts of rows and of interactions
  base::SplitMix64 random(3);
  for (int user = 0; user < 300; ++user) {
    taken.emplace_back();
    for (data::ItemIndex item = 0; item < 90; ++item)
      if (random.next() % 10 == 0) taken.back().push_back(item);
  }
  const std::vector<std::span<const data::ItemIndex>> own(taken.begin(), taken.end());
  const NegativeSampler sampler(own, 90, 0.5);
  const std::vector<Interaction> batch = interactions_of(own);
  ASSERT_GT(batch.size(), 2048u);
  const std::vector<float> embeddings = drawn(390 * kShape.dimension, 1);
  std::vector<std::vector<float>> results;
  for (const std::int64_t count : {1, 3}) {
    TrainingThreads threads(count);
    LightgcnGradient gradient(own, 90, kShape, {.negatives = 2, .regularisation = 0.1}, sampler);
    results.emplace_back(embeddings.size());
    gradient.compute(batch, embeddings, 5, threads, results.back());
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST(LightgcnGradient, AddsUpTheLayers) {
  TrainingThreads threads(2);
  const auto own = histories();
  const NegativeSampler sampler(own, kItems, 0);
  LightgcnGradient gradient(own, kItems, kShape, {}, sampler);
  const std::vector<float> embeddings = drawn(kNodes * kShape.dimension, 1);
  const auto sum = gradient.propagate(embeddings, kShape.layers, threads);
  const auto mean = plain_model({embeddings.begin(), embeddings.end()});
  for (std::size_t i = 0; i < mean.size(); ++i)
    ASSERT_NEAR(sum[i], mean[i] * static_cast<double>(kShape.layers + 1), 1e-6) << i;
}

TEST(Lightgcn, ServesUsersAsTheGraphMakesThemWithoutEmbeddingsOfTheirOwn) {
  TrainingThreads threads(2);
  const auto own = histories();
  const NegativeSampler sampler(own, kItems, 0);
  LightgcnGradient gradient(own, kItems, kShape, {}, sampler);
  const std::vector<float> embeddings = drawn(kNodes * kShape.dimension, 1);
  const FactorModel served = served_lightgcn(kShape, own, gradient, embeddings, threads);

  const auto width = static_cast<std::size_t>(kShape.dimension);
  std::vector<double> model = plain_model({embeddings.begin(), embeddings.end()});
  for (std::size_t i = 0; i < kUsers * width; ++i)
    model[i] -= static_cast<double>(embeddings[i]) / static_cast<double>(kShape.layers + 1);
  for (std::size_t user = 0; user < kTaken.size(); ++user) {
    const Query query{.user = -1, .history = kTaken[user]};
    std::vector<float> scores(kItems);
    ASSERT_TRUE(served.score({&query, 1}, scores));
    const double root = std::sqrt(std::max(1.0, static_cast<double>(kTaken[user].size())));
    for (std::size_t item = 0; item < kItems; ++item) {
      double score = 0;
      for (std::size_t k = 0; k < width; ++k)
        score += model[user * width + k] * model[(kUsers + item) * width + k];
      ASSERT_NEAR(scores[item], score / root, 1e-6) << user << " " << item;
    }
  }
}

}  // namespace
}  // namespace rapport::retrieval
