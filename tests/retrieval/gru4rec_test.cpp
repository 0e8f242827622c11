#include "rapport/retrieval/gru4rec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "sequence_model_testing.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

/// The papers' equations, one number at a time, in double.
std::vector<float> plain_scores(const Gru4recShape& shape, const std::vector<float>& weights,
                                const std::vector<data::ItemIndex>& history) {
  const Gru4recWeights layout = gru4rec_weights(shape);
  const auto h = static_cast<std::size_t>(shape.hidden);
  const auto d = static_cast<std::size_t>(shape.dimension);
  const auto weight = [&](std::int64_t offset, std::size_t i) {
    return static_cast<double>(weights[static_cast<std::size_t>(offset) + i]);
  };
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  std::vector<std::vector<double>> states(layout.layers.size(), std::vector<double>(h));
  for (const data::ItemIndex item : history) {
    std::vector<double> x(d);
    for (std::size_t i = 0; i < d; ++i)
      x[i] = weight(layout.item_embedding, static_cast<std::size_t>(item) * d + i);
    for (std::size_t l = 0; l < layout.layers.size(); ++l) {
      const Gru4recLayer& layer = layout.layers[l];
      std::vector<double> input(3 * h), recurrent(3 * h), next(h);
      for (std::size_t j = 0; j < 3 * h; ++j) {
        input[j] = weight(layer.input_bias, j);
        for (std::size_t i = 0; i < x.size(); ++i)
          input[j] += x[i] * weight(layer.input_weight, i * 3 * h + j);
        recurrent[j] = weight(layer.recurrent_bias, j);
        for (std::size_t i = 0; i < h; ++i)
          recurrent[j] += states[l][i] * weight(layer.recurrent_weight, i * 3 * h + j);
      }
      for (std::size_t j = 0; j < h; ++j) {
        const double reset = sigmoid(input[j] + recurrent[j]);
        const double update = sigmoid(input[h + j] + recurrent[h + j]);
        const double fresh = std::tanh(input[2 * h + j] + reset * recurrent[2 * h + j]);
        next[j] = (1 - update) * fresh + update * states[l][j];
      }
      states[l] = x = next;
    }
  }
  std::vector<float> scores;
  for (std::int64_t item = 0; item < shape.items; ++item) {
    double score = 0;
    for (std::size_t j = 0; j < d; ++j) {
      double projected = weight(layout.output_bias, j);
      for (std::size_t i = 0; i < h; ++i)
        projected += states.back()[i] * weight(layout.output_weight, i * d + j);
      score += projected * weight(layout.item_embedding, static_cast<std::size_t>(item) * d + j);
    }
    scores.push_back(static_cast<float>(score));
  }
  return scores;
}

TEST(Gru4rec, ScoresAsTheEquationsSay) {
  for (const Gru4recShape& shape :
       {Gru4recShape{.items = 20, .dimension = 6, .hidden = 10, .layers = 1, .max_length = 30},
        Gru4recShape{.items = 70, .dimension = 16, .hidden = 8, .layers = 3, .max_length = 30}}) {
    const std::vector<float> weights = random_weights(gru4rec_weights(shape), 1, 0.4f);
    const Gru4rec model(shape, weights);
    for (const auto& history : random_histories(8, 20, shape.items, /*seed=*/2)) {
      if (history.empty()) continue;
      std::vector<float> scores(static_cast<std::size_t>(shape.items));
      const Query query{.history = history};
      ASSERT_TRUE(model.score({&query, 1}, scores));
      EXPECT_LT(relative_error(scores, plain_scores(shape, weights, history)), 1e-5);
    }
  }
}

TEST(Gru4rec, ScoresAQueryTheSameInAnyCompany) {
  const Gru4recShape shape{
      .items = 50, .dimension = 16, .hidden = 24, .layers = 2, .max_length = 40};
  const Gru4rec model(shape, random_weights(gru4rec_weights(shape), 1, 0.4f));
  expect_the_same_in_any_company(model, random_histories(200, 90, 50, /*seed=*/2));
}

TEST(Gru4rec, ReadsOnlyTheNewestItems) {
  const Gru4recShape shape{.items = 9, .dimension = 8, .hidden = 8, .max_length = 3};
  const Gru4rec model(shape, random_weights(gru4rec_weights(shape), 3, 0.4f));
  const std::vector<data::ItemIndex> all = {1, 2, 3, 4, 5}, newest = {3, 4, 5}, less = {4, 5};
  const auto scores = [&](const std::vector<data::ItemIndex>& history) {
    std::vector<float> of(9);
    const Query query{.history = history};
    EXPECT_TRUE(model.score({&query, 1}, of));
    return of;
  };
  EXPECT_EQ(scores(all), scores(newest));
  EXPECT_NE(scores(newest), scores(less));
}

TEST(Gru4rec, GivesEqualScoresWithoutAHistory) {
  const Gru4recShape shape{.items = 5, .dimension = 4, .hidden = 6, .max_length = 3};
  const Gru4rec model(shape, random_weights(gru4rec_weights(shape), 4, 0.4f));
  const std::vector<data::ItemIndex> history = {1};
  std::vector<Query> queries(40);
  queries.back().history = history;
  std::vector<float> scores(200), alone(5);
  ASSERT_TRUE(model.score(queries, scores));
  ASSERT_TRUE(model.score({&queries.back(), 1}, alone));
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(scores[195 + i], alone[i], 1e-5);
  EXPECT_NE(alone, std::vector<float>(5, 0.0f));
  EXPECT_EQ(std::vector<float>(scores.begin(), scores.end() - 5), std::vector<float>(195, 0.0f));
}

TEST(Gru4recShape, NamesTheSizeThatIsOutOfRange) {
  expect_refused<Gru4recShape>({{{.items = 0}, "items"},
                                {{.items = 1, .dimension = 0}, "dimension"},
                                {{.items = 1, .hidden = 4097}, "hidden"},
                                {{.items = 1, .layers = 0}, "layers"},
                                {{.items = 1, .max_length = 0}, "max_length"}});
}

TEST(Gru4recShape, IsReadBackAndRefusedWhenAPartIsWrong) {
  const Gru4recShape shape{.items = 5, .dimension = 4, .hidden = 6, .layers = 2, .max_length = 3};
  expect_read_back_and_refused_when_wrong(shape,
                                          {"items", "dimension", "hidden", "layers", "max_length"});
}

}  // namespace
}  // namespace rapport::retrieval
