#include "rapport/retrieval/sampled_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "reference_model.h"

namespace rapport::retrieval {
namespace {

constexpr std::uint64_t kKey = 7;

/// The formulas of sampled_loss.h, in double, with the negatives that the key draws.
struct Problem {
  SampledLossOptions options;
  std::int64_t rows, items, width;
  std::vector<float> hidden, embedding;
  std::vector<std::int32_t> targets;
  const ItemSampler& sampler;

  double loss(const std::vector<double>& h, const std::vector<double>& e) const {
    base::SplitMix64 random(kKey);
    std::vector<std::int32_t> negatives(static_cast<std::size_t>(options.negatives));
    double sum = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      if (row % options.rows_that_share == 0) {
        for (std::int32_t& item : negatives) item = sampler.draw(random);
      }
      const auto score = [&](std::int64_t item) {
        double s = 0;
        for (std::int64_t i = 0; i < width; ++i)
          s += h[static_cast<std::size_t>(row * width + i)] *
               e[static_cast<std::size_t>(item * width + i)];
        return s;
      };
      const std::int32_t target = targets[static_cast<std::size_t>(row)];
      std::vector<double> others;
      for (const std::int32_t item : negatives) {
        if (item == target) continue;
        const double expected = static_cast<double>(options.negatives) * sampler.probability(item);
        others.push_back(score(item) -
                         (options.kind == SampledLossKind::kSampledCe ? std::log(expected) : 0));
      }
      sum += of_row(score(target), others);
    }
    return sum;
  }

  double of_row(double own, const std::vector<double>& others) const {
    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    const auto n = static_cast<double>(others.size());
    double sum = 0, weights = 0, squares = 0;
    for (const double s : others) {
      switch (options.kind) {
        case SampledLossKind::kBce:
        case SampledLossKind::kGbce: sum -= std::log(1 - sigmoid(s)); break;
        case SampledLossKind::kBpr: sum -= std::log(sigmoid(own - s)) / n; break;
        case SampledLossKind::kTop1: sum += (sigmoid(s - own) + sigmoid(s * s)) / n; break;
        case SampledLossKind::kBprMax:
          sum += std::exp(s) * sigmoid(own - s);
          squares += std::exp(s) * s * s;
          weights += std::exp(s);
          break;
        case SampledLossKind::kSampledCe: sum += std::exp(s - own); break;
      }
    }
    if (options.kind == SampledLossKind::kSampledCe) return std::log1p(sum);
    if (options.kind == SampledLossKind::kGbce) {
      const double share =
          static_cast<double>(options.negatives) / static_cast<double>(sampler.items() - 1);
      const double t = static_cast<double>(options.calibration);
      return sum - share * (t * (1 - 1 / share) + 1 / share) * std::log(sigmoid(own));
    }
    if (options.kind == SampledLossKind::kBce) return sum - std::log(sigmoid(own));
    if (options.kind != SampledLossKind::kBprMax || others.empty()) return sum;
    return -std::log(sum / weights) + static_cast<double>(options.penalty) * squares / weights;
  }
};

TEST(SampledLoss, IsTheFormulaAndItsSlope) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.6f);
  constexpr std::int64_t kRows = 11, kItems = 30, kWidth = 9;
  std::vector<std::int64_t> counts(kItems);
  for (std::int64_t& count : counts) count = 1 + static_cast<std::int64_t>(random() % 9);
  const ItemSampler sampler(counts, 0.75);
  for (const SampledLossOptions& options :
       {SampledLossOptions{.kind = SampledLossKind::kBce, .negatives = 3, .rows_that_share = 1},
        SampledLossOptions{.kind = SampledLossKind::kBpr, .negatives = 17, .rows_that_share = 4},
        SampledLossOptions{.kind = SampledLossKind::kTop1, .negatives = 40, .rows_that_share = 4},
        SampledLossOptions{.kind = SampledLossKind::kBprMax,
        .negatives = 40,
        .rows_that_share = 4,
        .penalty = 0.5f},
        SampledLossOptions{.kind = SampledLossKind::kBprMax, .negatives = 1},
        SampledLossOptions{.kind = SampledLossKind::kGbce, .negatives = 10, .rows_that_share = 4},
        SampledLossOptions{.kind = SampledLossKind::kGbce, .negatives = 7, .calibration = 0.3f},
        SampledLossOptions{
            .kind = SampledLossKind::kSampledCe, .negatives = 40, .rows_that_share = 4}}) {
    Problem p{.options = options,
              .rows = kRows,
              .items = kItems,
              .width = kWidth,
              .hidden = std::vector<float>(kRows * kWidth),
              .embedding = std::vector<float>(kItems * kWidth),
              .targets = std::vector<std::int32_t>(kRows),
              .sampler = sampler};
    for (float& value : p.hidden) value = normal(random);
    for (float& value : p.embedding) value = normal(random);
    for (std::int32_t& target : p.targets) target = static_cast<std::int32_t>(random() % kItems);

    const ItemPanels panels(kItems, kWidth);
    std::vector<float> hidden_gradient(p.hidden.size()), embedding_gradient(p.embedding.size());
    SampledLoss loss(options, sampler, kWidth);
    const double sum = loss.add({.embedding = p.embedding.data(),
                                 .panels = panels,
                                 .rows = kRows,
                                 .hidden = p.hidden.data(),
                                 .targets = p.targets.data(),
                                 .scale = 0.5f,
                                 .hidden_gradient = hidden_gradient.data(),
                                 .embedding_gradient = embedding_gradient.data()},
                                kKey);

    std::vector<double> h(p.hidden.begin(), p.hidden.end());
    std::vector<double> e(p.embedding.begin(), p.embedding.end());
    EXPECT_NEAR(sum / p.loss(h, e), 1, 1e-5);
    const auto slopes = [&](std::vector<double>& values) {
      constexpr double kStep = 1e-5;
      std::vector<float> result;
      for (double& value : values) {
        const double before = value;
        value = before + kStep;
        const double more = p.loss(h, e);
        value = before - kStep;
        const double less = p.loss(h, e);
        value = before;
        result.push_back(static_cast<float>(0.5 * (more - less) / (2 * kStep)));
      }
      return result;
    };
    const auto kind = static_cast<int>(options.kind);
    EXPECT_LT(relative_error(hidden_gradient, slopes(h)), 1e-4) << kind;
    EXPECT_LT(relative_error(embedding_gradient, slopes(e)), 1e-4) << kind;
  }
}

TEST(SampledLoss, StaysFiniteWhereScoresAreLarge) {
  const ItemSampler sampler(std::vector<std::int64_t>(4, 1), 0);
  const ItemPanels panels(4, 1);
  const std::vector<float> embedding = {-40, -1, 1, 40}, hidden = {10, -10};
  const std::vector<std::int32_t> targets = {0, 3};
  for (const auto kind :
       {SampledLossKind::kBce, SampledLossKind::kBpr, SampledLossKind::kTop1,
        SampledLossKind::kBprMax, SampledLossKind::kGbce, SampledLossKind::kSampledCe}) {
    std::vector<float> hidden_gradient(2), embedding_gradient(4);
    SampledLoss loss({.kind = kind, .negatives = 8}, sampler, 1);
    const double sum = loss.add({.embedding = embedding.data(),
                                 .panels = panels,
                                 .rows = 2,
                                 .hidden = hidden.data(),
                                 .targets = targets.data(),
                                 .hidden_gradient = hidden_gradient.data(),
                                 .embedding_gradient = embedding_gradient.data()},
                                kKey);
    EXPECT_TRUE(std::isfinite(sum)) << static_cast<int>(kind);
    EXPECT_GT(sum, 1) << static_cast<int>(kind);
    for (const float g : hidden_gradient) EXPECT_TRUE(std::isfinite(g));
    for (const float g : embedding_gradient) EXPECT_TRUE(std::isfinite(g));
  }
}

TEST(SampledLoss, DrawsOtherNegativesForAnotherKey) {
  const ItemSampler sampler(std::vector<std::int64_t>(100, 1), 0);
  const ItemPanels panels(100, 1);
  std::vector<float> embedding(100), hidden = {1}, hidden_gradient(1), embedding_gradient(100);
  for (std::size_t i = 0; i < 100; ++i) embedding[i] = 0.01f * static_cast<float>(i);
  const std::vector<std::int32_t> targets = {50};
  SampledLoss loss({.kind = SampledLossKind::kBpr, .negatives = 5}, sampler, 1);
  const auto sum = [&](std::uint64_t key) {
    return loss.add({.embedding = embedding.data(),
                     .panels = panels,
                     .rows = 1,
                     .hidden = hidden.data(),
                     .targets = targets.data(),
                     .hidden_gradient = hidden_gradient.data(),
                     .embedding_gradient = embedding_gradient.data()},
                    key);
  };
  EXPECT_EQ(sum(1), sum(1));
  EXPECT_NE(sum(1), sum(2));
}

/// Of many draws the mean of the estimated sum is the softmax's over all items.
TEST(SampledLoss, SampledCrossEntropyComesToTheFullOneInTheMean) {
  constexpr std::int64_t kItems = 12;
  std::vector<std::int64_t> counts(kItems);
  std::vector<float> embedding(kItems);
  double sum = 0;
  for (std::size_t i = 0; i < kItems; ++i) {
    counts[i] = static_cast<std::int64_t>(1 + i * i);
    embedding[i] = 0.2f * static_cast<float>(i) - 1;
    sum += std::exp(static_cast<double>(embedding[i]));
  }
  const ItemSampler sampler(counts, 0.5);
  const ItemPanels panels(kItems, 1);
  const std::vector<float> hidden = {1};
  const std::vector<std::int32_t> targets = {3};
  SampledLoss loss({.kind = SampledLossKind::kSampledCe, .negatives = 20'000}, sampler, 1);
  std::vector<float> hidden_gradient(1), embedding_gradient(kItems);
  const double sampled = loss.add({.embedding = embedding.data(),
                                   .panels = panels,
                                   .rows = 1,
                                   .hidden = hidden.data(),
                                   .targets = targets.data(),
                                   .hidden_gradient = hidden_gradient.data(),
                                   .embedding_gradient = embedding_gradient.data()},
                                  kKey);
  EXPECT_NEAR(sampled, std::log(sum) - static_cast<double>(embedding[3]), 0.02);
}

TEST(ItemSampler, DrawsInProportionToThePowerOfTheCount) {
  const std::vector<std::int64_t> counts = {1, 16, 81, 0};
  struct Case {
    double exponent;
    std::vector<double> shares;
  };
  for (const auto& [exponent, shares] :
       {Case{0, {.25, .25, .25, .25}}, Case{0.25, {1 / 7.0, 2 / 7.0, 3 / 7.0, 1 / 7.0}},
        Case{1, {1 / 99.0, 16 / 99.0, 81 / 99.0, 1 / 99.0}}}) {
    const ItemSampler sampler(counts, exponent);
    base::SplitMix64 random(1);
    constexpr int kDraws = 100'000;
    std::vector<int> drawn(counts.size());
    for (int i = 0; i < kDraws; ++i) ++drawn[static_cast<std::size_t>(sampler.draw(random))];
    for (std::size_t i = 0; i < shares.size(); ++i)  // within four standard deviations
      EXPECT_NEAR(drawn[i] / double{kDraws}, shares[i], 0.0064) << exponent << ", item " << i;
  }
}

}  // namespace
}  // namespace rapport::retrieval
