#include "rapport/retrieval/kernels.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace rapport::retrieval {
namespace {

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

TEST(Gelu, IsTheNormalShareOfItsInputToThreeTenThousandths) {
  for (float x = -9; x < 9; x += 0.037f) {
    float y = 0;
    gelu(1, &x, &y);
    EXPECT_NEAR(y, x * 0.5 * std::erfc(-static_cast<double>(x) / std::sqrt(2.0)), 5e-4) << x;
  }
}

/// Against differences of layer_norm itself.
TEST(LayerNorm, HasTheGradientOfWhatItComputes) {
  constexpr std::size_t kRows = 3, kWidth = 20;
  std::vector<float> x(kRows * kWidth), weight(kWidth), bias(kWidth), slope(x.size());
  const auto fill = [](std::vector<float>& values, double seed) {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(std::sin(seed + 1.7 * static_cast<double>(i)));
  };
  fill(x, 1);
  fill(weight, 2);
  fill(bias, 3);
  fill(slope, 4);
  std::vector<float> x_gradient(x.size()), weight_gradient(kWidth), bias_gradient(kWidth);
  layer_norm_backward(x.data(), kRows, kWidth, weight.data(), 1e-8f, slope.data(),
                      {weight_gradient.data(), bias_gradient.data(), x_gradient.data()});
  const auto sum = [&] {
    std::vector<float> out(x.size());
    layer_norm(x.data(), kRows, kWidth, weight.data(), bias.data(), 1e-8f, out.data());
    return std::inner_product(out.begin(), out.end(), slope.begin(), 0.0);
  };
  const auto expect_slope = [&](std::vector<float>& values, const std::vector<float>& gradient) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      constexpr float kStep = 1e-2f;
      const float before = values[i];
      values[i] = before + kStep;
      const double above = sum();
      values[i] = before - kStep;
      EXPECT_NEAR((above - sum()) / (2 * static_cast<double>(kStep)), gradient[i], 2e-3) << i;
      values[i] = before;
    }
  };
  expect_slope(x, x_gradient);
  expect_slope(weight, weight_gradient);
  expect_slope(bias, bias_gradient);
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
