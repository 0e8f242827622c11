#include "rapport/retrieval/popularity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

using ::testing::ElementsAre;

std::vector<data::ItemIndex> items_of(const std::vector<ScoredItem>& scored) {
  std::vector<data::ItemIndex> items;
  for (const ScoredItem& item : scored) items.push_back(item.item);
  return items;
}

TEST(Popularity, CountsTheTrainingPartOnly) {
  // The last two of each are held out; the second user has nothing to learn from.
  const auto dataset =
      rapport::testing::made_up_dataset({{0, 1, 2, 3}, {2, 3}, {1, 0, 3, 2, 4}}, 5);
  const auto model = Popularity::fit(dataset);
  std::vector<float> scores(10);
  const std::vector<Query> queries(2);
  ASSERT_TRUE(model->score(queries, scores));
  EXPECT_THAT(scores, ElementsAre(2, 2, 0, 1, 0, 2, 2, 0, 1, 0));
}

TEST(TopItems, GivesTheBestThatAreNotExcludedTheLowerNumberFirstAmongEquals) {
  const Popularity model({5, 7, 7, 1, 0});
  const std::vector<data::ItemIndex> none, excluded = {1, 4}, beyond = {-3, 99};
  EXPECT_THAT(items_of(top_items(model, {}, 3, none).value()), ElementsAre(1, 2, 0));
  EXPECT_THAT(items_of(top_items(model, {}, 3, excluded).value()), ElementsAre(2, 0, 3));
  EXPECT_THAT(items_of(top_items(model, {}, 99, beyond).value()), ElementsAre(1, 2, 0, 3, 4));
  EXPECT_EQ(top_items(model, {}, 1, none).value()[0].score, 7);
}

TEST(TopItems, OfManyExcludeWhatEachHasInItsHistory) {
  const Popularity model({5, 7, 7, 1, 0});
  const std::vector<data::ItemIndex> first = {1, 4}, second = {0};
  const std::vector<Query> queries = {{.history = first}, {}, {.history = second}};
  const auto found = top_items(model, queries, 2).value();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_THAT(items_of(found[0]), ElementsAre(2, 0));
  EXPECT_THAT(items_of(found[1]), ElementsAre(1, 2));
  EXPECT_THAT(items_of(found[2]), ElementsAre(1, 2));
}

}  // namespace
}  // namespace rapport::retrieval
