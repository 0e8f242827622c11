#include "rapport/retrieval/kernels.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
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

TEST(Exponentials, AreExpToThreeTenMillionths) {
  for (float x = -87; x < 87; x += 0.0137f) {
    float value = x;
    exponentials(&value, 1, 0);
    const double expected = std::exp(static_cast<double>(x));
    EXPECT_NEAR(value / expected, 1, 3e-7) << x;
  }
}

TEST(Exponentials, SumAndKeepTheExtremes) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> values = {0, -1, -200, -kInfinity};
  const float sum = exponentials(values.data(), 4, 0);
  EXPECT_NEAR(sum, 1 + std::exp(-1.0f), 1e-6);
  EXPECT_LT(values[2], 1e-37f);
  EXPECT_LT(values[3], 1e-37f);
  values = {1, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_TRUE(std::isnan(exponentials(values.data(), 2, 0)));
}

RC_GTEST_PROP(Largest, IsTheMaximum, ()) {
  const auto values = *rc::gen::nonEmpty<std::vector<float>>();
  RC_ASSERT(largest(values.data(), static_cast<std::int64_t>(values.size())) ==
            *std::max_element(values.begin(), values.end()));
}

TEST(Dropout, DropsItsShareAndKeepsTheMean) {
  const std::vector<float> ones(100'000, 1.0f);
  std::vector<float> out(ones.size());
  for (const float probability : {0.1f, 0.6f}) {
    apply_dropout({.probability = probability, .key = 7}, 0, 100'000, ones.data(), out.data());
    const auto kept =
        static_cast<double>(std::ranges::count_if(out, [](float x) { return x != 0; }));
    EXPECT_NEAR(kept / 1e5, 1 - probability, 0.01);
    EXPECT_NEAR(std::accumulate(out.begin(), out.end(), 0.0) / 1e5, 1, 0.02);
  }
}

TEST(Dropout, ChoosesByKeyAndIndexAlone) {
  const std::vector<float> ones(1000, 1.0f);
  std::vector<float> whole(1000), part(500), other(1000), sum(1000);
  apply_dropout({0.5f, 1}, 0, 1000, ones.data(), whole.data());
  apply_dropout({0.5f, 1}, 500, 500, ones.data(), part.data());
  apply_dropout({0.5f, 2}, 0, 1000, ones.data(), other.data());
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 500));
  EXPECT_NE(whole, other);
  add_with_dropout({0.5f, 1}, 1000, ones.data(), ones.data(), sum.data());
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(sum[i], whole[i] + 1);
}

/// The definition: logits in full, in double.
double plain_cross_entropy(const CrossEntropy& p, const std::vector<float>& hidden,
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
  struct Case {
    std::int64_t rows, items, width;
  };
  // The second needs several chunks of rows, the last fewer than a chunk.
  for (const auto& [rows, items, width] :
       {Case{5, 7, 3}, Case{1100, 90, 8}, Case{40, 70'000, 4}, Case{1, 2, 64}}) {
    const CrossEntropy problem{.rows = rows, .items = items, .width = width, .scale = 0.25f};
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
    std::vector<float> scratch(static_cast<std::size_t>(cross_entropy_chunk(items) * items));
    const double loss =
        cross_entropy(problem, hidden.data(), embedding.data(), targets.data(),
                      hidden_gradient.data(), embedding_gradient.data(), scratch.data());
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
  std::vector<float> hidden_gradient(2), embedding_gradient(4), scratch(1024);
  EXPECT_TRUE(std::isnan(cross_entropy({.rows = 1, .items = 2, .width = 2}, hidden.data(),
                                       embedding.data(), targets.data(), hidden_gradient.data(),
                                       embedding_gradient.data(), scratch.data())));
}

TEST(Adam, FollowsThePapersAlgorithm) {
  std::vector<float> parameters = {1, -2}, first(2), second(2);
  const std::vector<float> a = {0.1f, 0.3f}, b = {0.2f, -0.4f};
  double p = 1, m = 0, v = 0;
  for (std::int64_t step = 1; step <= 5; ++step) {
    const float* const gradients[] = {a.data(), b.data()};
    adam({.learning_rate = 0.01f, .weight_decay = 0.1f, .step = step}, 2, gradients,
         parameters.data(), first.data(), second.data());
    const double g = 0.1 + 0.2 + 0.1 * p;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const double power = static_cast<double>(step);
    p -= 0.01 * (m / (1 - std::pow(0.9, power))) /
         (std::sqrt(v / (1 - std::pow(0.999, power))) + 1e-8);
    EXPECT_NEAR(parameters[0], p, 1e-5);
  }
}

}  // namespace
}  // namespace rapport::retrieval
