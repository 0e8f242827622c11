#include "rapport/retrieval/cross_entropy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

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
                           std::vector<double>& embedding_gradient,
                           const std::vector<double>& more = {},  // logits, [rows × items] or none
                           std::vector<double>* slopes = nullptr) {
  double loss = 0;
  for (std::int64_t row = 0; row < p.rows; ++row) {
    std::vector<double> logits(static_cast<std::size_t>(p.items));
    if (!more.empty()) std::copy_n(more.begin() + row * p.items, p.items, logits.begin());
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
      if (slopes != nullptr) slopes->push_back(g);
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

/// The largest difference, over the largest absolute value.
double worst_of(const std::vector<float>& got, const std::vector<double>& want) {
  double worst = 0, most = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - want[i]));
    most = std::max(most, std::fabs(want[i]));
  }
  return worst / most;
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
    for (float& gradient : embedding_gradient) gradient -= 1;  // added to what was there
    EXPECT_LT(worst_of(hidden_gradient, plain_hidden), 1e-4);
    EXPECT_LT(worst_of(embedding_gradient, plain_embedding), 1e-4);
  }
}

/// Of each item some others, at most every third.
SparseMatrix random_kernel(std::int64_t items) {
  std::mt19937 random(4);
  SparseMatrix kernel{.columns = items};
  for (std::int64_t item = 0; item < items; ++item) {
    for (std::int64_t other = static_cast<std::int64_t>(random() % 5); other < items;
         other += 3 + static_cast<std::int64_t>(random() % 9)) {
      kernel.indices.push_back(static_cast<std::int32_t>(other));
      kernel.values.push_back(static_cast<float>(random() % 100) / 50);
    }
    kernel.end_row();
  }
  return kernel;
}

TEST(CrossEntropy, AddsTheKernelsLogits) {
  constexpr std::int64_t kTerms = 3;
  // Several chunks of rows; panels that are not full.
  for (const Problem& problem : {Problem{5, 7, 3, 0.25f}, Problem{700, 1500, 8, 0.5f}}) {
    const auto [rows, items, width, scale] = problem;
    const SparseMatrix kernel = random_kernel(items);
    const auto hidden = random_floats(static_cast<std::size_t>(rows * width), 1, 0.7f);
    const auto embedding = random_floats(static_cast<std::size_t>(items * width), 2, 0.7f);
    const auto weights = random_floats(static_cast<std::size_t>(rows * kTerms), 5);
    std::mt19937 random(3);
    std::vector<std::int32_t> targets(static_cast<std::size_t>(rows)), contexts(weights.size());
    for (auto& target : targets)
      target = static_cast<std::int32_t>(random() % static_cast<unsigned>(items));
    for (auto& context : contexts)
      context = static_cast<std::int32_t>(random() % static_cast<unsigned>(items + 1)) - 1;

    std::vector<double> more(static_cast<std::size_t>(rows * items));
    const auto each_entry = [&](const auto& visit) {  // (weight's index, logit's index, value)
      for (std::size_t i = 0; i < contexts.size(); ++i) {
        if (contexts[i] < 0) continue;
        const auto row = static_cast<std::int64_t>(i) / kTerms;
        const auto columns = kernel.row_indices(contexts[i]);
        for (std::size_t k = 0; k < columns.size(); ++k)
          visit(i, static_cast<std::size_t>(row * items + columns[k]),
                static_cast<double>(kernel.row_values(contexts[i])[k]));
      }
    };
    each_entry([&](std::size_t weight, std::size_t logit, double value) {
      more[logit] += static_cast<double>(weights[weight]) * value;
    });
    std::vector<double> plain_hidden(hidden.size()), plain_embedding(embedding.size()), slopes;
    const double plain = plain_cross_entropy(problem, hidden, embedding, targets, plain_hidden,
                                             plain_embedding, more, &slopes);
    std::vector<double> plain_weights(weights.size());
    each_entry([&](std::size_t weight, std::size_t logit, double value) {
      plain_weights[weight] += slopes[logit] * value;
    });

    std::vector<float> hidden_gradient(hidden.size()), embedding_gradient(embedding.size());
    std::vector<float> weight_gradient(weights.size(), 7.0f);
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
                                  .embedding_gradient = embedding_gradient.data(),
                                  .kernel = {.kernel = &kernel,
                                             .terms = kTerms,
                                             .contexts = contexts.data(),
                                             .weights = weights.data(),
                                             .weight_gradient = weight_gradient.data()}});
    EXPECT_NEAR(loss / plain, 1, 1e-5);
    EXPECT_LT(worst_of(hidden_gradient, plain_hidden), 1e-4);
    EXPECT_LT(worst_of(embedding_gradient, plain_embedding), 1e-4);
    EXPECT_LT(worst_of(weight_gradient, plain_weights), 1e-4);
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
