#include "rapport/palr/features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "palr_testing.h"
#include "rapport/palr/feature_families.h"

namespace rapport::palr {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Candidates without scores: items 0, 1, … in this order.
Pool pool_of(std::vector<data::ItemIndex> items) {
  Pool pool{.sources = 1, .best = 50, .items = std::move(items)};
  pool.scores.resize(pool.size());
  pool.ranks.resize(pool.size());
  return pool;
}

FeatureFamily column(std::string name, std::vector<float> values, bool of_user = false) {
  return {{{std::move(name), "for a test", "a test", of_user}},
          [values](const FeatureInput&, std::span<float> out) -> Result<void> {
            std::ranges::copy(values, out.begin());
            return {};
          }};
}

TEST(Features, AreEachAsItIsAndWithinTheUser) {
  FeatureSet features;
  features.add(column("score", {1, 3, 5}));
  features.add(column("length", {7, 7, 7}, true));
  ASSERT_EQ(features.columns().size(), 3u);
  EXPECT_EQ(features.columns()[1].name, "score, within user");
  EXPECT_EQ(features.columns()[2].name, "length");
  const Pool pool = pool_of({0, 1, 2});
  std::vector<float> rows;
  ASSERT_TRUE(features.rows({.history = {}, .pool = pool}, rows));
  const float z = std::sqrt(1.5f);
  EXPECT_THAT(rows, ElementsAre(1, FloatNear(-z, 1e-6f), 7, 3, 0, 7, 5, FloatNear(z, 1e-6f), 7));
}

TEST(Features, WithinAUserWhoseCandidatesAreAlikeAreZero) {
  FeatureSet features;
  features.add(column("score", {0.1f, 0.1f, 0.1f}));
  std::vector<float> rows;
  ASSERT_TRUE(features.rows({.history = {}, .pool = pool_of({0, 1, 2})}, rows));
  EXPECT_THAT(rows, ElementsAre(0.1f, 0, 0.1f, 0, 0.1f, 0));
}

TEST(Features, OfNoCandidatesAreNone) {
  FeatureSet features;
  features.add(column("score", {}));
  std::vector<float> rows = {1};
  ASSERT_TRUE(features.rows({.history = {}, .pool = pool_of({})}, rows));
  EXPECT_THAT(rows, IsEmpty());
}

TEST(Features, ThatAreNoNumberAreNamed) {
  FeatureSet features;
  features.add(column("broken", {1, std::numeric_limits<float>::quiet_NaN()}));
  std::vector<float> rows;
  const auto refused = features.rows({.history = {}, .pool = pool_of({0, 1})}, rows);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("broken"));
}

/// The values of one feature of a family, candidate by candidate.
std::vector<float> values_of(const FeatureFamily& family, const std::string& name,
                             const std::vector<data::ItemIndex>& history, const Pool& pool) {
  std::vector<float> all(pool.size() * family.features.size());
  EXPECT_TRUE(family.compute({.history = history, .pool = pool}, all));
  const auto found = std::ranges::find(family.features, name, &Feature::name);
  EXPECT_NE(found, family.features.end()) << name;
  std::vector<float> values;
  for (std::size_t i = 0; i < pool.size(); ++i)
    values.push_back(all[i * family.features.size() +
                         static_cast<std::size_t>(found - family.features.begin())]);
  return values;
}

TEST(RetrieverFeatures, AreScoreRankAndHowManyPropose) {
  const std::vector<CandidateSource> sources = {counts("a", {9, 8, 7, 1, 2}),
                                                counts("b", {1, 8, 2, 9, 3})};
  const Pool pool = candidates(sources, {}, {.best = 2}).value();
  const FeatureFamily family = retriever_features(sources);
  const auto one = *pool.find(1), three = *pool.find(3);
  EXPECT_EQ(values_of(family, "a_score", {}, pool)[one], pool.score(one, 0));
  EXPECT_FLOAT_EQ(values_of(family, "a_rank", {}, pool)[three], std::log(4.0f));
  EXPECT_EQ(values_of(family, "proposals", {}, pool)[one], 2);
  EXPECT_EQ(values_of(family, "best_rank", {}, pool)[three], 0);
  EXPECT_EQ(retriever_features(std::span(sources).first(1)).features.size(), 2u);
}

TEST(RetrieverFeatures, OfAJudgeAreScoreAndRankAlone) {
  std::vector<CandidateSource> sources = {
      counts("a", {9, 8, 7, 1, 2}), counts("b", {1, 8, 2, 9, 3}), counts("judge", {1, 9, 2, 3, 8})};
  sources[2].proposes = false;
  const Pool pool = candidates(sources, {}, {.best = 2}).value();
  const FeatureFamily family = retriever_features(sources);
  const auto one = *pool.find(1);
  EXPECT_EQ(values_of(family, "judge_score", {}, pool)[one], pool.score(one, 2));
  EXPECT_EQ(values_of(family, "judge_rank", {}, pool)[one], 0);
  EXPECT_EQ(values_of(family, "proposals", {}, pool)[one], 2);
  EXPECT_FLOAT_EQ(values_of(family, "best_rank", {}, pool)[one], std::log(2.0f));
  sources.erase(sources.begin() + 1);
  EXPECT_EQ(retriever_features(sources).features.size(), 4u) << "one proposes";
}

TEST(InteractionFeatures, CountTheTrainingPartsAndWhatFollows) {
  // The last two of each are held out; 3 follows 0 twice, 4 once with one between.
  const data::Dataset dataset =
      testing::made_up_dataset({{0, 3, 1, 5, 6}, {0, 3, 4, 5, 6}, {2, 1, 5, 6}, {5, 6, 1}}, 7);
  const FeatureFamily family = interaction_features(dataset, 1);
  const Pool pool = pool_of({3, 4, 6});
  EXPECT_THAT(values_of(family, "popularity", {0}, pool), ElementsAre(std::log(2.0f), 0, 0));
  EXPECT_THAT(values_of(family, "follows_newest_count", {0}, pool),
              ElementsAre(std::log1p(2.0f), std::log1p(1.0f), 0));
  EXPECT_THAT(values_of(family, "follows_newest", {0}, pool),
              ElementsAre(FloatNear(1, 1e-6f), FloatNear(1 / std::sqrt(2.0f), 1e-6f), 0));
  EXPECT_THAT(values_of(family, "follows_newest_count", {3, 1}, pool), ElementsAre(0, 0, 0))
      << "1 is followed by none of them, 3 is the second newest";
  EXPECT_GT(values_of(family, "follows_second", {3, 1}, pool)[1], 0);
  EXPECT_GT(values_of(family, "together_newest", {3}, pool)[1], 0);
  EXPECT_THAT(values_of(family, "history_length", {3, 1}, pool),
              ElementsAre(std::log(3.0f), std::log(3.0f), std::log(3.0f)));
  EXPECT_THAT(values_of(family, "together_most", {}, pool), ElementsAre(0, 0, 0));
}

TEST(InteractionFeatures, DoNotTellSeldomItemsApart) {
  // In a 5-core an item that was trained on once was held out four times: its count is its label.
  const data::Dataset dataset = testing::made_up_dataset(
      {{0, 1, 2, 9, 8}, {0, 1, 9, 8}, {0, 9, 8}, {0, 2, 9, 8}, {0, 3, 3, 3, 3, 3, 3, 9, 8}}, 10);
  const Pool pool = pool_of({1, 2, 3});
  const auto clipped = values_of(interaction_features(dataset, 5), "popularity", {}, pool);
  EXPECT_THAT(clipped, ElementsAre(std::log(5.0f), std::log(5.0f), std::log(6.0f)));
  const auto unclipped = values_of(interaction_features(dataset, 1), "popularity", {}, pool);
  EXPECT_THAT(unclipped, ElementsAre(std::log(2.0f), std::log(2.0f), std::log(6.0f)));
}

TEST(TextFeatures, SayHowAlikeCandidateAndHistoryRead) {
  const data::Dataset dataset = testing::titled_dataset(
      {{0, 1, 2}},
      {"red nail polish", "blue nail polish", "shampoo", "red nail lamp", "dry shampoo"});
  retrieval::TrainingThreads threads(1);
  const FeatureFamily family = text_similarity_features(dataset, threads).value();
  const Pool pool = pool_of({3, 4});
  const auto newest = values_of(family, "text_newest", {2, 0}, pool);
  EXPECT_GT(newest[0], 0);
  EXPECT_EQ(newest[1], 0);
  const auto second = values_of(family, "text_second", {2, 0}, pool);
  EXPECT_EQ(second[0], 0);
  EXPECT_GT(second[1], 0);
  EXPECT_FLOAT_EQ(values_of(family, "text_history", {2, 0}, pool)[0], newest[0] / 1.7f);
  EXPECT_FLOAT_EQ(values_of(family, "text_most", {2, 0}, pool)[1], second[1]);
  EXPECT_THAT(values_of(family, "text_newest", {}, pool), ElementsAre(0, 0));
}

TEST(TextFeatures, AreNoneWhereThereIsNoText) {
  retrieval::TrainingThreads threads(1);
  EXPECT_THAT(
      text_similarity_features(testing::made_up_dataset({{0, 1, 2}}, 3), threads).value().features,
      IsEmpty());
}

TEST(AttributeFeatures, CompareBrandCategoriesAndYear) {
  // Items i: brand i / 10, categories "all" and i % 3, year 1990 + i % 20.
  const data::Dataset shop = brand_shop(10, 3, 6, 1);
  const FeatureFamily family = attribute_features(shop);
  const Pool pool = pool_of({3, 14});
  const std::vector<data::ItemIndex> history = {1, 2, 10};
  EXPECT_THAT(values_of(family, "brand_newest", history, pool), ElementsAre(0, 1));
  EXPECT_THAT(values_of(family, "brand_share", history, pool),
              ElementsAre(FloatNear(2.0f / 3, 1e-6f), FloatNear(1.0f / 3, 1e-6f)));
  EXPECT_THAT(values_of(family, "category_newest", history, pool),
              ElementsAre(FloatNear(1.0f / 3, 1e-6f), FloatNear(1.0f / 3, 1e-6f)))
      << "of \"all\", 10 % 3 and theirs they share one of three";
  EXPECT_THAT(values_of(family, "kind_share", history, pool),
              ElementsAre(0, FloatNear(1.0f / 3, 1e-6f)));
  EXPECT_THAT(values_of(family, "year_newest", history, pool),
              ElementsAre(FloatNear(0.7f, 1e-4f), FloatNear(0.4f, 1e-4f)));
}

TEST(AttributeFeatures, AreNoneWhereTheCatalogueSaysNothing) {
  EXPECT_THAT(attribute_features(testing::made_up_dataset({{0, 1, 2}}, 3)).features, IsEmpty());
}

TEST(AttributeFeatures, DoNotTakeUnknownForABrand) {
  data::DatasetParts parts;
  parts.catalogue =
      data::Catalogue::create({{.id = "a", .brand = "Unknown"}, {.id = "b", .brand = "Unknown"}})
          .value();
  parts.offsets = {0, 1};
  parts.sequence = {0};
  parts.people = data::People::create({{.id = "u"}}).value();
  EXPECT_THAT(attribute_features(data::Dataset::create(std::move(parts)).value()).features,
              IsEmpty());
}

TEST(MetadataFeatures, ArePriceAndSalesRankWhereThereAreAny) {
  const data::Dataset shop = brand_shop(10, 3, 6, 1);
  const FeatureFamily family = metadata_features(shop);
  const Pool pool = pool_of({0, 6});
  EXPECT_THAT(values_of(family, "price", {0}, pool), ElementsAre(std::log(2.0f), std::log(8.0f)));
  EXPECT_THAT(values_of(family, "price_away", {0}, pool),
              ElementsAre(0, FloatNear(std::log(4.0f), 1e-6f)));
  EXPECT_THAT(metadata_features(testing::made_up_dataset({{0, 1, 2}}, 3)).features, IsEmpty());
}

}  // namespace
}  // namespace rapport::palr
