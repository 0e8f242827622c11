#include "rapport/retrieval/cross_entropy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace rapport::retrieval {
namespace {

std::vector<float> random_floats(std::size_t count, unsigned seed, float deviation = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

/// The definition: logits in full, in double.
struct Problem {
  std::int64_t rows, items, width;
  float scale;
};
double plain_cross_entropy(const Problem& p, const std::vector<float>& hidden,
                           const std::vector<float>& embedding,
                           const std::vector<std::int32_t>& targets,
                           std::vector<double>& hidden_gradient,
                           std::vector<double>& embedding_gradient) {
  double loss = 0;
  for (std::int64_t row = 0; row < p.rows; ++row) {
    std::vector<double> logits(static_cast<std::size_t>(p.items));
    for (std::int64_t item = 0; item < p.items; ++item)
      for (std::int64_t i = 0; i < p.width; ++i)
        logits[static_cast<std::size_t>(item)] +=
            static_cast<double>(hidden[static_cast<std::size_t>(row * p.width + i)]) *
            embedding[static_cast<std::size_t>(item * p.width + i)];
    const double most = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit - most);
    const std::int32_t target = targets[static_cast<std::size_t>(row)];
    loss += std::log(sum) + most - logits[static_cast<std::size_t>(target)];
    for (std::int64_t item = 0; item < p.items; ++item) {
      const double g =
          static_cast<double>(p.scale) *
          (std::exp(logits[static_cast<std::size_t>(item)] - most) / sum - (item == target));
      for (std::int64_t i = 0; i < p.width; ++i) {
        const auto h = static_cast<std::size_t>(row * p.width + i);
        const auto e = static_cast<std::size_t>(item * p.width + i);
        hidden_gradient[h] += g * embedding[e];
        embedding_gradient[e] += g * hidden[h];
      }
    }
  }
  return loss;
}

TEST(CrossEntropy, EqualsThePlainOneLossAndGradients) {
  // Several chunks of rows and one that is not full; panels that are not full; widths that are no
  // multiple of a vector.
  for (const Problem& problem :
       {Problem{5, 7, 3, 0.25f}, Problem{1100, 90, 8, 0.25f}, Problem{40, 70'000, 4, 1},
        Problem{1, 2, 64, 1}, Problem{301, 64, 50, 0.5f}}) {
    const auto [rows, items, width, scale] = problem;
    const auto hidden = random_floats(static_cast<std::size_t>(rows * width), 1, 0.7f);
    const auto embedding = random_floats(static_cast<std::size_t>(items * width), 2, 0.7f);
    std::mt19937 random(3);
    std::vector<std::int32_t> targets(static_cast<std::size_t>(rows));
    for (auto& target : targets)
      target = static_cast<std::int32_t>(random() % static_cast<unsigned>(items));
    std::vector<double> plain_hidden(hidden.size()), plain_embedding(embedding.size());
    const double plain =
        plain_cross_entropy(problem, hidden, embedding, targets, plain_hidden, plain_embedding);

    std::vector<float> hidden_gradient(hidden.size()), embedding_gradient(embedding.size(), 1.0f);
    ItemPanels panels(items, width);
    panels.fill(embedding.data(), 0, panels.count());
    const double loss = CrossEntropy(items, width)
                            .add({.embedding = embedding.data(),
                                  .panels = panels,
                                  .rows = rows,
                                  .hidden = hidden.data(),
                                  .targets = targets.data(),
                                  .scale = scale,
                                  .hidden_gradient = hidden_gradient.data(),
                                  .embedding_gradient = embedding_gradient.data()});
    EXPECT_NEAR(loss / plain, 1, 1e-5);
    const auto error = [](const std::vector<float>& got, const std::vector<double>& want,
                          double offset) {
      double worst = 0, most = 0;
      for (std::size_t i = 0; i < want.size(); ++i) {
        worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - offset - want[i]));
        most = std::max(most, std::fabs(want[i]));
      }
      return worst / most;
    };
    EXPECT_LT(error(hidden_gradient, plain_hidden, 0), 1e-4);
    EXPECT_LT(error(embedding_gradient, plain_embedding, 1), 1e-4) << "added to what was there";
  }
}

TEST(CrossEntropy, ShowsANumberThatIsNone) {
  std::vector<float> hidden = {std::numeric_limits<float>::quiet_NaN(), 1};
  const std::vector<float> embedding = {1, 2, 3, 4};
  const std::vector<std::int32_t> targets = {0};
  std::vector<float> hidden_gradient(2), embedding_gradient(4);
  ItemPanels panels(2, 2);
  panels.fill(embedding.data(), 0, panels.count());
  EXPECT_TRUE(
      std::isnan(CrossEntropy(2, 2).add({.embedding = embedding.data(),
                                         .panels = panels,
                                         .rows = 1,
                                         .hidden = hidden.data(),
                                         .targets = targets.data(),
                                         .hidden_gradient = hidden_gradient.data(),
                                         .embedding_gradient = embedding_gradient.data()})));
}

}  // namespace
}  // namespace rapport::retrieval
