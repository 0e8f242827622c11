#include "rapport/retrieval/item_embeddings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numeric>
#include <random>
#include <stdexcept>
#include <utility>

#include "rapport/base/text.h"
#include "rapport/language/llama_embedder.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/registry.h"
#include "testing/model_files.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

/// One user, who took the first three items.
data::Dataset catalogue_of(std::vector<data::Item> items) {
  for (std::size_t i = 0; i < items.size(); ++i) items[i].id = std::to_string(i);
  data::DatasetParts parts;
  parts.name = "titles";
  parts.catalogue = data::Catalogue::create(std::move(items)).value();
  parts.people = data::People::create({{.id = "ann"}}).value();
  parts.sequence = {0, 1, 2};
  parts.offsets = {0, 3};
  return data::Dataset::create(std::move(parts)).value();
}

float product(const ItemEmbeddings& embeddings, data::ItemIndex a, data::ItemIndex b) {
  const auto x = embeddings.row(a), y = embeddings.row(b);
  float sum = 0;
  for (std::size_t k = 0; k < x.size(); ++k) sum += x[k] * y[k];
  return sum;
}

TEST(EmbeddedText, IsWhatTheCatalogueSays) {
  EXPECT_EQ(embedded_text({.title = "Alien", .categories = {"Horror", "Sci-Fi"}, .brand = "Fox"}),
            "Alien. Fox. Horror, Sci-Fi");
  EXPECT_EQ(embedded_text({.title = " ", .categories = {"Horror"}}), "Horror");
  EXPECT_EQ(embedded_text({.id = "7"}), "");
}

TEST(EmbeddedText, IsCutAndMadeWhole) {
  std::string hearts;
  for (int i = 0; i < 300; ++i) hearts += "\u2665";
  hearts += hearts + hearts;
  const std::string cut = embedded_text({.title = hearts});
  EXPECT_LE(cut.size(), 2000u);
  EXPECT_GT(cut.size(), 1990u);
  EXPECT_TRUE(base::is_utf8(cut));
  EXPECT_EQ(embedded_text({.title = "a\xff"
                                    "b"}),
            "a\uFFFDb");
}

class ItemVectors : public ::testing::Test {
 protected:
  ItemVectors() {
    auto loaded = language::LlamaEmbedder::load(
        {.path = rapport::testing::model_file("all-minilm-l6-v2-f32.gguf"), .threads = 1});
    if (!loaded) throw std::runtime_error(loaded.error().message);
    embedder_ = *std::move(loaded);
  }
  ItemEmbeddings embedded(const data::Dataset& dataset) {
    auto made = embed_items(dataset, *embedder_, {});
    if (!made) throw std::runtime_error(made.error().message);
    return *std::move(made);
  }

  std::unique_ptr<language::LlamaEmbedder> embedder_;
  rapport::testing::TemporaryDirectory home_;
};

TEST_F(ItemVectors, SayWhatIsAlikeInMeaning) {
  const data::Dataset shop = catalogue_of({{.title = "Shampoo for dry hair"},
                                           {.title = "Spaceship battle"},
                                           {.title = "Moisturising conditioner"},
                                           {.title = "War among the stars"},
                                           {}});
  const ItemEmbeddings made = embedded(shop);
  EXPECT_EQ(made.embedder, "all-minilm-l6-v2-f32");
  EXPECT_GT(product(made, 0, 2), product(made, 0, 3) + 0.1f);
  EXPECT_GT(product(made, 1, 3), product(made, 1, 2) + 0.1f);
  EXPECT_THAT(made.row(4), Each(0.0f)) << "it has no text";
}

// all-MiniLM-L6-v2 reads 256 tokens; of Korean that is some 110 syllables.
TEST_F(ItemVectors, AreOfAsMuchAsTheEmbedderReads) {
  std::string korean, marks(400, '!'), woman;
  for (int i = 0; i < 200; ++i) korean += "\uD55C";
  for (int i = 0; i < 150; ++i) woman += "\U0001F469\u200D";  // joined: a single grapheme
  const data::Dataset shop = catalogue_of(
      {{.title = korean}, {.title = marks}, {.title = "Spaceship battle"}, {.title = woman}});
  const ItemEmbeddings made = embedded(shop);
  for (data::ItemIndex item = 0; item < 4; ++item)
    EXPECT_NEAR(product(made, item, item), 1, 1e-4) << item;
  const auto alone = embedder_->embed({"Spaceship battle"});
  for (std::size_t k = 0; k < alone->values.size(); ++k)
    EXPECT_NEAR(alone->values[k], made.row(2)[k], 1e-5);
}

TEST_F(ItemVectors, NeedTexts) {
  const auto refused = embed_items(catalogue_of({{}, {}, {}}), *embedder_, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(ItemVectors, AreRefusedBesideOtherTexts) {
  const auto shop = [](const char* title) {
    return catalogue_of({{.title = title}, {.title = "b"}, {.title = "c"}});
  };
  ASSERT_TRUE(save_item_embeddings(embedded(shop("a")), shop("a"), home_.file("embeddings")));
  const auto refused = load_item_embeddings(home_.file("embeddings"), shop("d"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("rapport palr embed"));
}

TEST_F(ItemVectors, TellHowFarTheyAreAndMayBeStopped) {
  const data::Dataset shop = catalogue_of(std::vector<data::Item>(200, {.title = "Alien"}));
  std::vector<double> told;
  const auto stopped = embed_items(shop, *embedder_, [&](double done) -> Result<void> {
    told.push_back(done);
    if (told.size() == 2) return fail(ErrorCode::kCancelled, "enough");
    return {};
  });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(told, ::testing::ElementsAre(0.32, 0.64));
}

TEST_F(ItemVectors, AreReadBackForTheirCatalogueOnly) {
  const data::Dataset shop = catalogue_of({{.title = "a"}, {.title = "b"}, {.title = "c"}});
  const data::Dataset larger =
      catalogue_of({{.title = "a"}, {.title = "b"}, {.title = "c"}, {.title = "d"}});
  const ItemEmbeddings made = embedded(shop);
  const std::string directory = home_.file("embeddings");
  ASSERT_TRUE(save_item_embeddings(made, shop, directory));
  const auto again = load_item_embeddings(directory, shop);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->values, made.values);
  EXPECT_EQ(again->embedder, made.embedder);
  EXPECT_EQ(load_item_embeddings(directory, larger).error().code, ErrorCode::kConflict);
  EXPECT_EQ(load_item_embeddings(home_.file("nowhere"), shop).error().code, ErrorCode::kNotFound);
  std::ofstream(home_.file("embeddings/weights.safetensors"), std::ios::app) << "more";
  EXPECT_EQ(load_item_embeddings(directory, shop).error().code, ErrorCode::kCorrupt);
  const base::SystemClock clock;
  const auto fit = fit_retriever("popularity", shop, {}, {.clock = clock});
  ASSERT_TRUE(fit && save_model(*fit, shop, home_.file("popularity")));
  EXPECT_EQ(load_item_embeddings(home_.file("popularity"), shop).error().code,
            ErrorCode::kUnsupported);
  EXPECT_EQ(save_item_embeddings(made, shop, home_.file("popularity")).error().code,
            ErrorCode::kConflict)
      << "it would have replaced a model";
}

/// `items` vectors in 6 dimensions that all point one way and spread along few.
ItemEmbeddings slanted(std::int64_t items) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  ItemEmbeddings made{.embedder = "made up", .dimensions = 6, .values = {}};
  for (std::int64_t i = 0; i < items; ++i) {
    const float common = normal(random);
    for (int k = 0; k < 6; ++k)
      made.values.push_back(3 + (k < 2 ? 2 * common : 0) + 0.3f * normal(random));
  }
  return made;
}

TEST(Whitened, SpreadsInAllDirectionsAlike) {
  constexpr std::int64_t kItems = 5000;
  const ItemEmbeddings white = whitened(slanted(kItems));
  const auto moments = [](const ItemEmbeddings& of) {
    std::vector<double> mean(6), spread(6);
    for (data::ItemIndex i = 0; i < kItems; ++i)
      for (std::size_t k = 0; k < 6; ++k) {
        mean[k] += static_cast<double>(of.row(i)[k]) / kItems;
        spread[k] += std::pow(static_cast<double>(of.row(i)[k]), 2) / kItems;
      }
    return std::pair(mean, spread);
  };
  const auto [mean, spread] = moments(white);
  for (std::size_t k = 0; k < 6; ++k) {
    EXPECT_NEAR(mean[k], 0, 0.03);
    // The ball in the covariance holds back the directions of little spread: these had 1/50.
    EXPECT_GT(spread[k], 0.03);
  }
  EXPECT_NEAR(std::accumulate(spread.begin(), spread.end(), 0.0), 1, 1e-5) << "of length 1 each";
}

TEST(Whitened, LeavesWhatHasNoTextAndMindsNoTwins) {
  ItemEmbeddings twins{
      .embedder = "made up", .dimensions = 2, .values = {.1f, .7f, .1f, .7f, .1f, .7f, 0, 0}};
  const ItemEmbeddings white = whitened(twins);
  EXPECT_THAT(white.values, Each(0.0f)) << "nothing tells them apart";
}

TEST(ReadItemEmbeddings, RefusesMoreDimensionsThanThereAre) {
  const rapport::testing::TemporaryDirectory home;
  base::SafetensorsWriter writer;
  writer.add("item_embeddings", {2, kMostDimensions + 1},
             std::vector<float>(2 * (kMostDimensions + 1)));
  ASSERT_TRUE(writer.write(home.file("file")));
  const auto file = base::Safetensors::open(home.file("file"));
  EXPECT_EQ(read_item_embeddings(*file, "made up", 2).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace rapport::retrieval
