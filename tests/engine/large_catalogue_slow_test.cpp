// Recommendations from a catalogue whose best items are looked up in an index.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "curator_fixture.h"
#include "rapport/engine/recommend_steps.h"
#include "rapport/retrieval/gru4rec.h"
#include "rapport/retrieval/model_directory.h"

namespace rapport::engine {
namespace {

constexpr data::ItemIndex kItems = 6'000;
constexpr data::ItemIndex kRareEvery = 500;

/// Items 0, 500, 1000 … are rare, all others common.
std::shared_ptr<const data::Dataset> large_dataset() {
  std::vector<data::Item> items;
  for (data::ItemIndex i = 0; i < kItems; ++i) {
    data::Item item;
    item.id = std::to_string(i);
    item.title = "Item " + item.id;
    item.categories = {i % kRareEvery == 0 ? "Rare" : "Common"};
    items.push_back(std::move(item));
  }
  data::Person person;
  person.id = "1";
  data::DatasetParts parts;
  parts.name = "large";
  parts.offsets = {0, 3};
  parts.sequence = {1, 2, 3};
  parts.catalogue = *data::Catalogue::create(std::move(items));
  parts.people = *data::People::create({std::move(person)});
  return std::make_shared<const data::Dataset>(*data::Dataset::create(std::move(parts)));
}

retrieval::Gru4rec any_model() {
  const retrieval::Gru4recShape shape{
      .items = kItems, .dimension = 8, .hidden = 8, .max_length = 20};
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> weights(static_cast<std::size_t>(retrieval::gru4rec_weights(shape).total));
  for (float& weight : weights) weight = normal(random);
  return {shape, std::move(weights)};
}

class LargeCatalogueTest : public CuratorTest {
 protected:
  static void SetUpTestSuite() {
    served_ = ServedCatalogue::create(large_dataset(), nullptr, "");
    model_.emplace(any_model());
    why_not_ = model_->index_items(/*threads=*/1, /*from=*/1);
  }
  static void TearDownTestSuite() {
    model_.reset();
    served_.reset();
  }
  void SetUp() override {
    if (!why_not_ && why_not_.error().code == ErrorCode::kUnsupported)
      GTEST_SKIP() << why_not_.error().message;
    ASSERT_TRUE(why_not_) << why_not_.error().message;
    ASSERT_TRUE(model_->is_indexed());
  }

  struct Found {
    std::set<data::ItemIndex> items;
    std::vector<LeftOut> left_out;
  };
  static Found found(const retrieval::Retriever& model, const RecommendationRequest& request,
                     const Taste& taste) {
    const auto allowed = Allowed::create(request, {}, taste, *served_);
    EXPECT_TRUE(allowed) << allowed.error().message;
    Found result;
    const auto candidates =
        retrieve(*served_, model, taste, *allowed, 10, {.candidates = 50}, result.left_out);
    EXPECT_TRUE(candidates) << candidates.error().message;
    for (const Candidate& each : *candidates) {
      EXPECT_EQ(allowed->refuses(each.item), nullptr) << each.item;
      EXPECT_TRUE(result.items.insert(each.item).second) << each.item << " twice";
    }
    return result;
  }

  static inline std::shared_ptr<const ServedCatalogue> served_;
  static inline std::optional<retrieval::Gru4rec> model_;
  static inline Result<void> why_not_;
};

TEST_F(LargeCatalogueTest, TheIndexGivesNearlyTheCandidatesThatScoringAllGives) {
  const retrieval::Gru4rec exact_model = any_model();
  for (data::ItemIndex first = 0; first < 40; ++first) {
    Taste taste;
    taste.sequence = {first * 7, first * 31, first * 101 + 1};
    taste.seen = taste.sequence;
    const Found exact = found(exact_model, {}, taste), indexed = found(*model_, {}, taste);
    EXPECT_EQ(indexed.items.size(), exact.items.size());
    std::vector<data::ItemIndex> both;
    std::ranges::set_intersection(exact.items, indexed.items, std::back_inserter(both));
    EXPECT_GE(both.size(), 45u);
    for (const data::ItemIndex seen : taste.seen) EXPECT_FALSE(indexed.items.contains(seen));
  }
}

TEST_F(LargeCatalogueTest, FiltersThatAreTooNarrowForTheIndexAreAnsweredFromAllItems) {
  RecommendationRequest request;
  request.filters.categories = {"Rare"};
  Taste taste;
  taste.sequence = taste.seen = {500, 7};
  const Found indexed = found(*model_, request, taste);
  EXPECT_EQ(indexed.items.size(), static_cast<std::size_t>(kItems / kRareEvery - 1))
      << "all that are rare but the one that was seen";
  const Found exact = found(any_model(), request, taste);
  EXPECT_EQ(indexed.items, exact.items);
  ASSERT_EQ(indexed.left_out.size(), exact.left_out.size()) << "told twice";
  for (std::size_t i = 0; i < exact.left_out.size(); ++i)
    EXPECT_EQ(indexed.left_out[i].what, exact.left_out[i].what);
}

TEST_F(LargeCatalogueTest, AModelIsIndexedWhenItIsServedFromSoManyItemsOn) {
  const auto dataset_path = dataset("large");
  std::filesystem::create_directories(home_.path() / "datasets");
  const auto set = large_dataset();
  ASSERT_TRUE(set->save(dataset_path));
  retrieval::Fit made;
  made.model = std::make_unique<retrieval::Gru4rec>(any_model());
  const auto directory = home_.path() / "retrievers" / "large" / "gru4rec";
  std::filesystem::create_directories(directory.parent_path());
  ASSERT_TRUE(retrieval::save_model(made, *set, directory));
  for (const std::int64_t from : {std::int64_t{kItems}, std::int64_t{kItems} + 1}) {
    curator({.dataset = "large", .model = "gru4rec", .train = false, .index_from = from}).start();
    const auto served = slot_.get();
    ASSERT_NE(served, nullptr);
    ASSERT_TRUE(served->has_model()) << served->why_no_model();
    EXPECT_EQ(served->model().is_indexed(), from == kItems);
  }
}

}  // namespace
}  // namespace rapport::engine
