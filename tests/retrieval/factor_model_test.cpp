#include "rapport/retrieval/factor_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "rapport/base/files.h"
#include "rapport/base/random.h"
#include "rapport/retrieval/model_directory.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kItems = 70, kDimension = 5;  // more items than a panel has
const std::vector<data::ItemIndex> kHistory = {3, 1, 4}, kOther = {9, 2, 69, 5}, kNone = {};

struct Kind {
  const char* name;
  FactorShape shape;
};
const Kind kKinds[] = {
    {"bprmf", {.items = kItems, .dimension = kDimension}},
    {"fpmc", {.items = kItems, .dimension = kDimension, .transitions = true}},
    {"lightgcn", {.items = kItems, .dimension = kDimension, .bias = false}},
};

std::vector<float> drawn_weights(const FactorShape& shape) {
  std::vector<float> weights(static_cast<std::size_t>(factor_weights(shape).total));
  base::SplitMix64 random(1);
  for (float& weight : weights) weight = static_cast<float>(random.next() >> 40) * 0x1p-24f - 0.5f;
  return weights;
}

std::vector<float> scores_of(const Retriever& model, const Query& query) {
  std::vector<float> scores(static_cast<std::size_t>(model.items()));
  EXPECT_TRUE(model.score({&query, 1}, scores));
  return scores;
}

/// The formulas of factor_model.h, in the plainest words.
std::vector<double> plain_scores(const FactorShape& shape,
                                 const std::vector<data::ItemIndex>& history) {
  const FactorWeights layout = factor_weights(shape);
  const std::vector<float> weights = drawn_weights(shape);
  const auto at = [&](std::int64_t place, std::int64_t row, std::int64_t i) {
    return static_cast<double>(weights[static_cast<std::size_t>(place + row * kDimension + i)]);
  };
  std::vector<double> scores;
  for (std::int64_t item = 0; item < kItems; ++item) {
    double score =
        shape.bias ? static_cast<double>(weights[static_cast<std::size_t>(layout.bias + item)]) : 0;
    for (std::int64_t i = 0; i < kDimension; ++i) {
      for (const data::ItemIndex taken : history)
        score += at(layout.taken, taken, i) / static_cast<double>(history.size()) *
                 at(layout.item, item, i);
      if (shape.transitions && !history.empty())
        score += at(layout.previous, history.back(), i) * at(layout.next, item, i);
    }
    scores.push_back(score);
  }
  return scores;
}

TEST(FactorModel, ScoresByWhatTheItemsOfTheHistorySayWhoeverAsks) {
  for (const Kind& kind : kKinds) {
    const FactorModel model(kind.name, kind.shape, drawn_weights(kind.shape));
    for (const auto& history : {kHistory, kOther, kNone}) {
      const auto plain = plain_scores(kind.shape, history);
      for (const data::UserIndex user : {-1, 0, 99}) {
        const auto scores = scores_of(model, {user, history});
        for (std::size_t item = 0; item < scores.size(); ++item)
          ASSERT_NEAR(scores[item], plain[item], 1e-5) << kind.name << ", item " << item;
      }
    }
  }
}

TEST(FactorModel, ScoresAQueryTheSameInAnyCompany) {
  for (const Kind& kind : kKinds) {
    const FactorModel model(kind.name, kind.shape, drawn_weights(kind.shape));
    const std::vector<Query> queries = {{2, kOther}, {-1, kHistory}, {}, {3, kHistory}};
    std::vector<float> together(queries.size() * kItems);
    ASSERT_TRUE(model.score(queries, together));
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const auto alone = scores_of(model, queries[i]);
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(),
                             together.begin() + static_cast<std::ptrdiff_t>(i * kItems)))
          << kind.name << i;
    }
  }
}

TEST(FactorModel, ComesBackFromItsDirectory) {
  const rapport::testing::TemporaryDirectory folder;
  const auto dataset = rapport::testing::random_dataset(4, kItems, 1);
  for (const Kind& kind : kKinds) {
    Fit fit;
    fit.model = std::make_unique<FactorModel>(kind.name, kind.shape, drawn_weights(kind.shape));
    ASSERT_TRUE(save_model(fit, dataset, folder.path() / "model"));
    const auto loaded = load_retriever(folder.path() / "model", dataset);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ((*loaded)->kind(), kind.name);
    EXPECT_EQ(scores_of(**loaded, {-1, kHistory}), scores_of(*fit.model, {-1, kHistory}));
  }
}

/// A file of the weights of `kind`, with the last of them as given.
base::Safetensors file_of(const std::filesystem::path& path, const Kind& kind, float last) {
  std::vector<float> weights = drawn_weights(kind.shape);
  weights.back() = last;
  const FactorModel model(kind.name, kind.shape, std::move(weights));
  base::SafetensorsWriter writer;
  model.save(writer);
  EXPECT_TRUE(writer.write(path));
  return base::Safetensors::open(path).value();
}

TEST(FactorModel, RefusesSizesAndWeightsThatAreMissingOrAbsurd) {
  const rapport::testing::TemporaryDirectory folder;
  const Kind& kind = kKinds[1];
  const FactorShape parts{.transitions = true};
  const base::Safetensors file = file_of(folder.path() / "good", kind, 0);
  const Json good = {{"items", kItems}, {"dimension", kDimension}};
  EXPECT_TRUE(FactorModel::load(kind.name, parts, good, file));
  for (const char* key : {"items", "dimension"}) {
    for (const Json& bad :
         {Json(), Json("many"), Json(0), Json(-4), Json(std::int64_t{1} << 40), Json(6)}) {
      Json json = good;
      json[key] = bad;
      const auto model = FactorModel::load(kind.name, parts, json, file);
      ASSERT_FALSE(model) << key << bad;
      EXPECT_EQ(model.error().code, ErrorCode::kCorrupt);
    }
  }
  const base::Safetensors broken =
      file_of(folder.path() / "broken", kind, std::numeric_limits<float>::quiet_NaN());
  const auto model = FactorModel::load(kind.name, parts, good, broken);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(model.error().message, HasSubstr("next_factors"));
}

}  // namespace
}  // namespace rapport::retrieval
