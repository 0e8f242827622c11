// What a ranker makes of the vectors that an embedding model has of items.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "palr_testing.h"
#include "rapport/language/llama_embedder.h"
#include "rapport/palr/feature_families.h"
#include "rapport/palr/learning.h"
#include "rapport/palr/list_ranker.h"
#include "rapport/retrieval/item_embeddings.h"
#include "testing/model_files.h"
#include "testing/temporary_directory.h"

namespace rapport::palr {
namespace {

using ::testing::HasSubstr;

// A ranker that reads them takes them along: what ranks later needs neither the folder nor the
// embedding model.
TEST(EmbeddingFeatures, GoWithTheRankerThatReadsThem) {
  const testing::TemporaryDirectory home;
  const data::Dataset shop = brand_shop(120, 6, 6, 3);
  const std::vector<CandidateSource> sources = {trained("popularity", shop)};
  const base::SystemClock clock;
  PalrOptions options;
  options.pool.best = 20;
  options.fraction = 1;
  options.features = {"embeddings"};
  options.ranker.rounds = 20;
  const auto blind = learn_ranking(shop, sources, options, {}, {.clock = clock, .ranker = {}});
  ASSERT_FALSE(blind);
  EXPECT_THAT(blind.error().message, HasSubstr("name its file with --embeddings"));

  const auto embedder = language::LlamaEmbedder::load(
      {.path = testing::model_file("all-minilm-l6-v2-f32.gguf"), .threads = 1});
  ASSERT_TRUE(embedder) << embedder.error().message;
  const auto embedded = retrieval::embed_items(shop, **embedder, {});
  ASSERT_TRUE(embedded) << embedded.error().message;
  const LanguageAnswers language{.embeddings = std::make_shared<const retrieval::ItemEmbeddings>(
                                     retrieval::whitened(*embedded))};
  const auto model =
      learn_ranking(shop, sources, options, language, {.clock = clock, .ranker = {}});
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_GT(model->report["validation"]["ndcg@10"].get<double>(),
            1.5 * model->report["retrievers"][0]["ndcg@10"].get<double>())
      << "users stay with a brand, which the text has";
  ASSERT_TRUE(save_ranking_model(*model, shop, home.file("ranker")));
  auto again = load_ranking_model(home.file("ranker"), shop);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(reads_embeddings(*again));

  const std::vector<data::ItemIndex> history = {3, 5, 8};
  const auto list_of = [&](RankingModel&& of) {
    const auto ranker = ListRanker::create(std::move(of), sources, shop, 1);
    EXPECT_TRUE(ranker) << ranker.error().message;
    return (*ranker)->rank({.history = history}, {}).value();
  };
  const RankedList list = list_of(*std::move(again));
  RankingModel first =
      *learn_ranking(shop, sources, options, language, {.clock = clock, .ranker = {}});
  EXPECT_EQ(list.scores, list_of(std::move(first)).scores);
}

// The most alike of a history may be unlike all the same.
TEST(EmbeddingFeatures, MayBeNegative) {
  const auto vectors = std::make_shared<const retrieval::ItemEmbeddings>(retrieval::ItemEmbeddings{
      .embedder = "made up", .dimensions = 1, .values = {1, -0.5f, -0.25f}});
  const FeatureFamily family = embedding_features(vectors);
  Pool pool;
  pool.items = {1, 2};
  const std::vector<data::ItemIndex> history = {0};
  std::vector<float> values(10);
  ASSERT_TRUE(family.compute({.user = 0, .history = history, .pool = pool}, values));
  EXPECT_THAT(values, ::testing::ElementsAre(-.5f, 0, 0, -.5f, -.5f, -.25f, 0, 0, -.25f, -.25f));
}

}  // namespace
}  // namespace rapport::palr
