// What users did with items.
#include <gmock/gmock.h>

#include "store_conformance.h"

namespace rapport::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Interaction act(const UserId& user, const std::string& id, const std::string& item,
                InteractionKind kind = InteractionKind::kView) {
  return {.id = id, .user = user, .catalogue = "films", .kind = kind, .item = item};
}

template <typename Event>  // an Interaction, or what a history keeps of one
std::vector<std::string> items(const std::vector<Event>& interactions) {
  std::vector<std::string> names;
  for (const Event& each : interactions) names.push_back(each.item);
  return names;
}

TEST_P(StoreConformance, InteractionsAreKeptAsTheyAre) {
  const UserId sam = known("sam"), kim = known("kim");
  Interaction rated = act(sam, "act_1", "Amélie (2001)", InteractionKind::kRating);
  rated.value = 4.5;
  rated.response_id = "rec_1";
  rated.created = clock_.now() - 7;
  Interaction timeless = act(sam, "act_2", "50", InteractionKind::kPurchase);
  EXPECT_TRUE(ok(store_->add_interactions({rated, timeless})));
  EXPECT_TRUE(ok(store_->add_interactions({})));
  timeless.created = clock_.now();
  reopen();

  EXPECT_EQ(as_json(value_of(store_->interactions(sam, "films", {}))),
            as_json(std::vector{timeless, rated}));
  EXPECT_THAT(ids(value_of(store_->interactions(sam, "films", {.limit = 1, .offset = 1}))),
              ElementsAre("act_1"));
  EXPECT_THAT(value_of(store_->interactions(sam, "books", {})), IsEmpty());
  EXPECT_THAT(value_of(store_->interactions(kim, "films", {})), IsEmpty());
  EXPECT_TRUE(fails(store_->interactions("u_nobody", "films", {}), ErrorCode::kNotFound));
}

TEST_P(StoreConformance, TheHistoryIsTheLastInteractionsOldestFirstAndEveryHide) {
  const UserId sam = known("sam"), kim = known("kim");
  EXPECT_TRUE(ok(store_->add_interactions({act(sam, "act_1", "1", InteractionKind::kHide),
                                           act(sam, "act_2", "2"), act(sam, "act_3", "3"),
                                           act(kim, "act_4", "4", InteractionKind::kHide)})));
  Interaction elsewhere = act(sam, "act_5", "5", InteractionKind::kHide);
  elsewhere.catalogue = "books";
  Interaction late_news = act(sam, "act_6", "6");
  late_news.created = clock_.now() - 1'000;
  EXPECT_TRUE(ok(store_->add_interactions({elsewhere, late_news})));

  ItemHistory history = value_of(store_->item_history(sam, "films", 2));
  EXPECT_THAT(items(history.recent), ElementsAre("2", "3"));
  EXPECT_THAT(history.hidden, ElementsAre("1")) << "however long ago";
  history = value_of(store_->item_history(sam, "films", 100));
  EXPECT_THAT(items(history.recent), ElementsAre("6", "2", "3")) << "by time, then arrival";
  history = value_of(store_->item_history("u_nobody", "films", 100));
  EXPECT_THAT(history.recent, IsEmpty());
  EXPECT_THAT(history.hidden, IsEmpty());
}

TEST_P(StoreConformance, TheHistoryIsLimitedByItemsAndKnowsTheOthers) {
  const UserId sam = known("sam");
  EXPECT_TRUE(ok(store_->add_interactions(
      {act(sam, "act_1", "1", InteractionKind::kRating), act(sam, "act_2", "2"),
       act(sam, "act_3", "3", InteractionKind::kLike), act(sam, "act_4", "2"),
       act(sam, "act_5", "2", InteractionKind::kHide), act(sam, "act_6", "2"),
       act(sam, "act_7", "4", InteractionKind::kHide)})));
  ItemHistory history = value_of(store_->item_history(sam, "films", 2));
  EXPECT_THAT(ids(history.recent), ElementsAre("act_2", "act_3", "act_4", "act_5", "act_6"));
  EXPECT_THAT(history.known, UnorderedElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(history.judged, UnorderedElementsAre("1", "3"));
  EXPECT_THAT(history.hidden, UnorderedElementsAre("2", "4"));
  history = value_of(store_->item_history(sam, "films", 0));
  EXPECT_THAT(history.recent, IsEmpty());
  EXPECT_THAT(history.judged, UnorderedElementsAre("1", "3"));
}

TEST_P(StoreConformance, AHideTakesThePlaceOfTheEarlierOnesOfTheItem) {
  const UserId sam = known("sam"), kim = known("kim");
  const auto hide = [](const UserId& user, const std::string& id, const std::string& item) {
    return act(user, id, item, InteractionKind::kHide);
  };
  EXPECT_TRUE(ok(store_->add_interactions({hide(sam, "act_1", "1"), hide(sam, "act_2", "2"),
                                           hide(kim, "act_3", "1"), act(sam, "act_4", "1"),
                                           hide(sam, "act_5", "1")})));
  EXPECT_TRUE(ok(store_->add_interactions({hide(sam, "act_6", "2")})));
  EXPECT_THAT(ids(value_of(store_->interactions(sam, "films", {}))),
              ElementsAre("act_6", "act_5", "act_4"));
  EXPECT_THAT(ids(value_of(store_->interactions(kim, "films", {}))), ElementsAre("act_3"));
  EXPECT_TRUE(fails(store_->add_interactions({hide(sam, "act_6", "2")}), ErrorCode::kConflict));
  EXPECT_THAT(value_of(store_->item_history(sam, "films", 9)).hidden,
              UnorderedElementsAre("1", "2"));
}

TEST_P(StoreConformance, InteractionsAreAddedAllOrNone) {
  const UserId sam = known("sam");
  EXPECT_TRUE(ok(store_->add_interactions({act(sam, "act_1", "1")})));
  EXPECT_TRUE(fails(store_->add_interactions({act(sam, "act_2", "2"), act(sam, "act_1", "1")}),
                    ErrorCode::kConflict));
  EXPECT_TRUE(
      fails(store_->add_interactions({act(sam, "act_3", "3"), act("u_nobody", "act_4", "4")}),
            ErrorCode::kNotFound, "u_nobody"));
  EXPECT_THAT(ids(value_of(store_->interactions(sam, "films", {}))), ElementsAre("act_1"));
}

TEST_P(StoreConformance, ADeletedInteractionIsGoneAndAnotherUsersIsAsUnknownAsNone) {
  const UserId sam = known("sam"), kim = known("kim");
  EXPECT_TRUE(ok(store_->add_interactions(
      {act(sam, "act_1", "1", InteractionKind::kHide), act(sam, "act_2", "2")})));
  EXPECT_TRUE(fails(store_->delete_interaction(kim, "act_1"), ErrorCode::kNotFound, "act_1"));
  EXPECT_TRUE(fails(store_->delete_interaction(sam, "act_9"), ErrorCode::kNotFound, "act_9"));
  EXPECT_TRUE(ok(store_->delete_interaction(sam, "act_1")));
  reopen();
  const ItemHistory history = value_of(store_->item_history(sam, "films", 100));
  EXPECT_THAT(items(history.recent), ElementsAre("2"));
  EXPECT_THAT(history.hidden, IsEmpty());
  EXPECT_TRUE(fails(store_->delete_interaction(sam, "act_1"), ErrorCode::kNotFound));
}

TEST_P(StoreConformance, AJobIsFoundByItsId) {
  EXPECT_TRUE(ok(store_->enqueue(sample_job("job_1"))));
  EXPECT_TRUE(ok(store_->enqueue(sample_job("job_2", "train"))));
  EXPECT_EQ(value_of(store_->job("job_2")).kind, "train");
  EXPECT_TRUE(fails(store_->job("job_9"), ErrorCode::kNotFound, "job_9"));
}

}  // namespace
}  // namespace rapport::store
