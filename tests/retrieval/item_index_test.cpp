#include "rapport/retrieval/item_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <thread>

#include "rapport/retrieval/gru4rec.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kWidth = 16;

/// Vectors around a few hundred centres, of different lengths, as trained ones are.
std::vector<float> clustered(std::int64_t count, std::uint32_t seed) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> centres(300 * kWidth);
  for (float& value : centres) value = normal(random);
  random.seed(seed);
  std::vector<float> vectors(static_cast<std::size_t>(count * kWidth));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto centre = static_cast<std::size_t>(random() % 300) * kWidth;
    const float length = std::exp(0.3f * normal(random));
    for (std::size_t k = 0; k < kWidth; ++k)
      vectors[static_cast<std::size_t>(i) * kWidth + k] =
          length * (centres[centre + k] + 0.5f * normal(random));
  }
  return vectors;
}

std::vector<ScoredItem> exact_best(const std::vector<float>& vectors, const float* query,
                                   std::size_t k) {
  std::vector<ScoredItem> all(vectors.size() / kWidth);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].item = static_cast<data::ItemIndex>(i);
    for (std::size_t j = 0; j < kWidth; ++j) all[i].score += query[j] * vectors[i * kWidth + j];
  }
  std::ranges::sort(all, [](const ScoredItem& a, const ScoredItem& b) {
    return a.score != b.score ? a.score > b.score : a.item < b.item;
  });
  all.resize(std::min(k, all.size()));
  return all;
}

class ItemIndexTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    vectors_ = clustered(20'000, 1);
    auto built = build_item_index({.items = 20'000, .width = kWidth, .vectors = vectors_.data()},
                                  clustered(100, 2), {.recall = 0.98, .depths = {50, 500}});
    if (built)
      index_ = *std::move(built);
    else
      why_not_ = built.error();
  }
  static void TearDownTestSuite() { index_.reset(); }
  void SetUp() override {
#ifdef RAPPORT_HAS_ITEM_INDEX
    ASSERT_TRUE(index_) << why_not_.message;
#else
    ASSERT_FALSE(index_) << "of another build, which must not be opened";
    GTEST_SKIP() << "built with -DRAPPORT_ITEM_INDEX=OFF: " << why_not_.message;
#endif
    ASSERT_TRUE(index_) << why_not_.message;
  }

  static inline std::vector<float> vectors_;
  static inline std::unique_ptr<ItemIndex> index_;
  static inline Error why_not_;
};

TEST_F(ItemIndexTest, FindsNearlyAllOfTheBestWithTheirExactScores) {
  EXPECT_GE(index_->recall(), 0.98);
  const std::vector<float> queries = clustered(200, 3);
  std::vector<ScoredItem> best;
  std::int64_t hits = 0;
  for (std::size_t q = 0; q < 200; ++q) {
    const float* const query = queries.data() + q * kWidth;
    index_->search(query, 50, best);
    ASSERT_EQ(best.size(), 50u);
    std::set<data::ItemIndex> items;
    for (std::size_t i = 0; i < best.size(); ++i) {
      items.insert(best[i].item);
      double score = 0;
      for (std::size_t k = 0; k < kWidth; ++k)
        score += static_cast<double>(query[k]) *
                 vectors_[static_cast<std::size_t>(best[i].item) * kWidth + k];
      EXPECT_NEAR(best[i].score, score, 1e-3);
      if (i > 0) {
        EXPECT_GE(best[i - 1].score, best[i].score);
      }
    }
    EXPECT_EQ(items.size(), 50u) << "an item twice";
    for (const ScoredItem& item : exact_best(vectors_, query, 50))
      hits += items.contains(item.item);
  }
  EXPECT_GE(hits, 0.97 * 50 * 200);
}

TEST_F(ItemIndexTest, TakesLessMemoryThanTheVectors) {
  EXPECT_GT(index_->bytes(), 20'000 * kWidth);
  EXPECT_LT(index_->bytes(), 20'000 * kWidth * 4);
}

TEST_F(ItemIndexTest, AnswersAnyNumberOfItems) {
  const std::vector<float> query = clustered(1, 4);
  std::vector<ScoredItem> best;
  index_->search(query.data(), 0, best);
  EXPECT_TRUE(best.empty());
  index_->search(query.data(), 1, best);
  EXPECT_EQ(best.size(), 1u);
  index_->search(query.data(), 500, best);
  EXPECT_EQ(best.size(), 500u);
  index_->search(query.data(), 1'000'000, best);  // what the lists hold that are read for 500
  EXPECT_GE(best.size(), 500u);
  EXPECT_LE(best.size(), 20'000u);
}

TEST_F(ItemIndexTest, AnswersSeveralThreadsAtOnce) {
  const std::vector<float> queries = clustered(64, 5);
  std::vector<std::vector<ScoredItem>> found(64);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t q = t; q < 64; q += 4)
          index_->search(queries.data() + q * kWidth, 10, found[q]);
      });
    }
  }
  std::vector<ScoredItem> alone;
  for (std::size_t q = 0; q < 64; ++q) {
    index_->search(queries.data() + q * kWidth, 10, alone);
    ASSERT_EQ(found[q].size(), alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_EQ(found[q][i].item, alone[i].item);
  }
}

Gru4rec model_of(std::int64_t items) {
  const Gru4recShape shape{.items = items, .dimension = 4, .hidden = 4, .max_length = 5};
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> weights(static_cast<std::size_t>(gru4rec_weights(shape).total));
  for (float& weight : weights) weight = normal(random);
  return {shape, std::move(weights)};
}

TEST_F(ItemIndexTest, ServesTheBestOfALargeCatalogue) {
  Gru4rec large = model_of(20'000);
  const std::vector<data::ItemIndex> history = {3, 14'000, 77};
  const auto exact = top_items(large, {.history = history}, 50, history);
  ASSERT_TRUE(large.index_items());
  EXPECT_FALSE(large.is_indexed()) << "so few are quicker scored";
  ASSERT_TRUE(large.index_items(/*threads=*/2, /*from=*/20'000));
  ASSERT_TRUE(large.is_indexed());
  const auto found = top_items(large, {.history = history}, 50, history);
  ASSERT_TRUE(exact && found);
  ASSERT_EQ(found->size(), 50u);
  std::int64_t hits = 0;
  for (const ScoredItem& item : *found) {
    EXPECT_EQ(std::ranges::count(history, item.item), 0);
    hits += std::ranges::count(*exact, item.item, &ScoredItem::item);
  }
  EXPECT_GE(hits, 40);

  const std::vector<data::ItemIndex> beyond = {20'000};
  EXPECT_FALSE(top_items(large, {.history = beyond}, 50, {}));
}

}  // namespace
}  // namespace rapport::retrieval
