#include "rapport/retrieval/ncf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "rapport/base/random.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/ncf_trainer.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

constexpr NcfShape kShape{.items = 70, .dimension = 5, .hidden = 8};  // more items than a panel has
const std::vector<data::ItemIndex> kHistory = {3, 1, 4}, kOther = {9, 2, 69, 5}, kNone = {};

std::vector<float> drawn(std::int64_t count, std::uint64_t seed) {
  base::SplitMix64 random(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random.next() >> 40) * 0x1p-24f - 0.5f;
  return values;
}

std::vector<float> scores_of(const Retriever& model, const Query& query) {
  std::vector<float> scores(static_cast<std::size_t>(model.items()));
  EXPECT_TRUE(model.score({&query, 1}, scores));
  return scores;
}

using Vector = std::vector<double>;

Vector row(const std::vector<float>& weights, std::int64_t offset, std::int64_t width,
           std::int64_t i = 0) {
  const auto begin = weights.begin() + offset + i * width;
  return {begin, begin + width};
}

/// max(0, x · weight [in × out] + bias).
Vector layer(const Vector& x, const Vector& weight, const Vector& bias) {
  Vector out = bias;
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < out.size(); ++j) out[j] += x[i] * weight[i * out.size() + j];
  for (double& value : out) value = std::max(0.0, value);
  return out;
}

/// Of the second layer on, for the first one before its relu.
double plain_tower(const NcfTower& tower, const std::vector<float>& weights, Vector first) {
  for (double& value : first) value = std::max(0.0, value);
  const std::int64_t h = kShape.hidden, second = kShape.second(), third = kShape.third();
  const Vector x2 = layer(first, row(weights, tower.second_weight, h * second),
                          row(weights, tower.second_bias, second));
  const Vector x3 = layer(x2, row(weights, tower.third_weight, second * third),
                          row(weights, tower.third_bias, third));
  const Vector output = row(weights, tower.output_weight, third);
  double score = row(weights, tower.output_bias, 1)[0];
  for (std::size_t i = 0; i < x3.size(); ++i) score += x3[i] * output[i];
  return score;
}

/// The formulas of ncf.h, in the plainest words.
Vector plain_scores(const std::vector<float>& weights,
                    const std::vector<data::ItemIndex>& history) {
  const NcfWeights layout = ncf_weights(kShape);
  Vector user(static_cast<std::size_t>(kShape.width()));
  for (const data::ItemIndex item : history) {
    const Vector taken = row(weights, layout.taken, kShape.width(), item);
    for (std::size_t i = 0; i < user.size(); ++i)
      user[i] += taken[i] / static_cast<double>(history.size());
  }
  Vector scores;
  for (std::int64_t item = 0; item < kShape.items; ++item) {
    const Vector factors = row(weights, layout.item, kShape.dimension, item);
    Vector first = row(weights, layout.hidden, kShape.hidden, item);
    double score = 0;
    for (std::size_t i = 0; i < factors.size(); ++i) score += user[i] * factors[i];
    for (std::size_t i = 0; i < first.size(); ++i) first[i] += user[factors.size() + i];
    scores.push_back(score + plain_tower(layout.tower, weights, first));
  }
  return scores;
}

TEST(Ncf, ScoresByTheFactorisationAndThePerceptron) {
  const std::vector<float> weights = drawn(ncf_weights(kShape).total, 1);
  const Ncf model(kShape, weights);
  for (const auto& history : {kHistory, kOther, kNone}) {
    const auto scores = scores_of(model, {-1, history});
    const Vector plain = plain_scores(weights, history);
    for (std::size_t item = 0; item < scores.size(); ++item)
      ASSERT_NEAR(scores[item], plain[item], 1e-5) << item;
  }
}

TEST(Ncf, ScoresAQueryTheSameInAnyCompany) {
  const Ncf model(kShape, drawn(ncf_weights(kShape).total, 1));
  const std::vector<Query> queries = {{2, kOther}, {-1, kHistory}, {}, {3, kHistory}};
  std::vector<float> together(queries.size() * static_cast<std::size_t>(kShape.items));
  ASSERT_TRUE(model.score(queries, together));
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const auto alone = scores_of(model, queries[i]);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(),
                           together.begin() + static_cast<std::ptrdiff_t>(i * alone.size())))
        << i;
  }
}

TEST(Ncf, IsTheTrainedModelForUsersWhoFollowFromTheirItems) {
  constexpr std::int64_t kUsers = 400;
  const std::int64_t width = kShape.width(), d = kShape.dimension;
  const NcfTrainedWeights layout = ncf_trained_weights(kShape, kUsers);
  std::vector<float> weights = drawn(layout.total, 2);
  std::vector<std::vector<data::ItemIndex>> taken(kUsers);
  base::SplitMix64 random(3);
  for (std::int64_t user = 0; user < kUsers; ++user) {  // p = 2 · mean of q + 1
    Vector mean(static_cast<std::size_t>(width));
    for (int i = 0; i < 3; ++i) {
      const auto item = static_cast<data::ItemIndex>(random.next() % 70);
      taken[static_cast<std::size_t>(user)].push_back(item);
      const Vector factors = row(weights, layout.item, width, item);
      for (std::size_t k = 0; k < mean.size(); ++k) mean[k] += factors[k] / 3;
    }
    for (std::size_t k = 0; k < mean.size(); ++k)
      weights[static_cast<std::size_t>(layout.user + user * width) + k] =
          static_cast<float>(2 * mean[k] + 1);
  }
  const std::vector<std::span<const data::ItemIndex>> histories(taken.begin(), taken.end());
  TrainingThreads threads(2);
  const Ncf model = served_ncf(kShape, histories, weights, threads);
  for (const std::int64_t user : {0, 7}) {
    const auto scores = scores_of(model, {-1, histories[static_cast<std::size_t>(user)]});
    const Vector p = row(weights, layout.user, width, user);
    const Vector g = row(weights, layout.product, d);
    for (std::int64_t item = 0; item < kShape.items; ++item) {
      const Vector q = row(weights, layout.item, width, item);
      double score = 0;
      for (std::size_t i = 0; i < g.size(); ++i) score += g[i] * p[i] * q[i];
      Vector first = row(weights, layout.first_bias, kShape.hidden);
      for (std::int64_t i = 0; i < kShape.hidden; ++i) {
        const Vector u = row(weights, layout.user_weight, kShape.hidden, i);
        const Vector v = row(weights, layout.item_weight, kShape.hidden, i);
        for (std::size_t j = 0; j < first.size(); ++j)
          first[j] +=
              p[static_cast<std::size_t>(d + i)] * u[j] + q[static_cast<std::size_t>(d + i)] * v[j];
      }
      score += plain_tower(layout.tower, weights, first);
      ASSERT_NEAR(scores[static_cast<std::size_t>(item)], score, 0.02) << item;
    }
  }
}

TEST(Ncf, ComesBackFromItsDirectory) {
  const rapport::testing::TemporaryDirectory folder;
  const auto dataset = rapport::testing::random_dataset(4, kShape.items, 1);
  Fit fit;
  fit.model = std::make_unique<Ncf>(kShape, drawn(ncf_weights(kShape).total, 1));
  ASSERT_TRUE(save_model(fit, dataset, folder.path() / "model"));
  const auto loaded = load_retriever(folder.path() / "model", dataset);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->kind(), "ncf");
  EXPECT_EQ(scores_of(**loaded, {-1, kHistory}), scores_of(*fit.model, {-1, kHistory}));
}

TEST(Ncf, RefusesSizesAndWeightsThatAreMissingOrAbsurd) {
  const rapport::testing::TemporaryDirectory folder;
  const auto file_of = [&](const char* name, float last) {
    std::vector<float> weights = drawn(ncf_weights(kShape).total, 1);
    weights.back() = last;
    base::SafetensorsWriter writer;
    Ncf(kShape, std::move(weights)).save(writer);
    EXPECT_TRUE(writer.write(folder.path() / name));
    return base::Safetensors::open(folder.path() / name).value();
  };
  const Json good = {
      {"items", kShape.items}, {"dimension", kShape.dimension}, {"hidden", kShape.hidden}};
  const base::Safetensors file = file_of("good", 0);
  EXPECT_TRUE(Ncf::load(good, file));
  for (const char* key : {"items", "dimension", "hidden"}) {
    for (const Json& bad : {Json(), Json("many"), Json(0), Json(std::int64_t{1} << 40), Json(6)}) {
      Json json = good;
      json[key] = bad;
      const auto model = Ncf::load(json, file);
      ASSERT_FALSE(model) << key << bad;
      EXPECT_EQ(model.error().code, ErrorCode::kCorrupt);
    }
  }
  const auto model = Ncf::load(good, file_of("bad", std::numeric_limits<float>::infinity()));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(model.error().message, HasSubstr("output.bias"));
}

}  // namespace
}  // namespace rapport::retrieval
