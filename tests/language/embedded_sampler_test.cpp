#include "rapport/language/embedded_sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace rapport::language {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

std::vector<float> random_logits(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = std::round(normal(random) * 8) / 8;  // with many ties
  return logits;
}

TEST(LikeliestToken, IsTheFirstOfTheLargest) {
  for (const std::size_t size : {1u, 5u, 16u, 17u, 100u, 1003u}) {
    for (unsigned seed = 0; seed < 20; ++seed) {
      const std::vector<float> logits = random_logits(size, seed);
      EXPECT_EQ(likeliest_token(logits.data(), static_cast<std::int32_t>(size)),
                std::max_element(logits.begin(), logits.end()) - logits.begin());
    }
  }
  std::vector<float> one(40, kNever);
  one[37] = -1e30f;
  EXPECT_EQ(likeliest_token(one.data(), 40), 37);
}

TEST(LogSoftmax, IsALogarithmOfADistribution) {
  const std::vector<float> logits = random_logits(5000, 1);
  const LogSoftmax probabilities(logits.data(), 5000);
  double sum = 0;
  for (std::int32_t token = 0; token < 5000; ++token) sum += std::exp(probabilities[token]);
  EXPECT_NEAR(sum, 1, 1e-4);
  EXPECT_NEAR(probabilities[7] - probabilities[8], logits[7] - logits[8], 1e-5);
}

TEST(LogSoftmax, HoldsForLogitsThatWouldOverflow) {
  const std::vector<float> logits = {1000, 1000, -1000, kNever};
  const LogSoftmax probabilities(logits.data(), 4);
  EXPECT_NEAR(probabilities[0], std::log(0.5), 1e-4);
  EXPECT_EQ(probabilities[3], kNever);
}

TEST(LogSoftmax, RanksTheLikeliestAndBreaksTiesByTheLowerToken) {
  const std::vector<float> logits = {1, 3, 2, 3, kNever, 2};
  const LogSoftmax probabilities(logits.data(), 6);
  EXPECT_EQ(probabilities.top(4), (std::vector<std::int32_t>{1, 3, 2, 5}));
  EXPECT_EQ(probabilities.top(0), std::vector<std::int32_t>{});
  EXPECT_EQ(probabilities.top(20).size(), 6u);

  const std::vector<float> many = random_logits(3000, 2);
  std::vector<std::int32_t> sorted(3000);
  for (std::int32_t i = 0; i < 3000; ++i) sorted[static_cast<std::size_t>(i)] = i;
  std::stable_sort(sorted.begin(), sorted.end(), [&](std::int32_t a, std::int32_t b) {
    return many[static_cast<std::size_t>(a)] > many[static_cast<std::size_t>(b)];
  });
  sorted.resize(20);
  EXPECT_EQ(LogSoftmax(many.data(), 3000).top(20), sorted);
}

TEST(OutputGrammar, IsMadeOfTheFormat) {
  EXPECT_EQ(output_grammar({}).value(), "");
  EXPECT_NE(output_grammar({OutputKind::kJsonObject, {}, {}})->find("root ::="), std::string::npos);
  const Json schema = {{"type", "object"},
                       {"properties", {{"colour", {{"enum", {"red", "blue"}}}}}}};
  EXPECT_NE(output_grammar({OutputKind::kJsonSchema, schema, {}})->find("red"), std::string::npos);
  for (const Json& wrong : {Json(), Json("x"), Json{{"type", "strin"}}, Json{{"$ref", "#/none"}}}) {
    const auto grammar = output_grammar({OutputKind::kJsonSchema, wrong, {}});
    ASSERT_FALSE(grammar) << wrong;
    EXPECT_EQ(grammar.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(grammar.error().param, "response_format");
  }
}

}  // namespace
}  // namespace rapport::language
