#include "rapport/engine/interactions.h"

#include <gmock/gmock.h>

#include "recommend_fixture.h"

namespace rapport::engine {
namespace {

using store::InteractionKind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class InteractionsTest : public RecommendTest {
 protected:
  std::vector<std::string> kinds(const std::string& user) {
    std::vector<std::string> names;
    const auto history = interactions_.history("default", user, {});
    for (const store::Interaction& each : *history) {
      names.emplace_back(store::name(each.kind));
    }
    return names;
  }
};

TEST_F(InteractionsTest, TheDegreeSaysWhatIsKept) {
  const std::pair<int, std::vector<std::string>> cases[] = {
      {0, {}},
      {1, {"rating", "hide", "like"}},
      {2, {"purchase", "click", "view", "rating", "hide", "like"}},
      {3, {"purchase", "click", "view", "rating", "hide", "like"}}};
  for (const auto& [degree, kept] : cases) {
    const std::string user = "user" + std::to_string(degree);
    set(user, {{"degree", degree}});
    const auto added = interactions_.add("default", {{user, InteractionKind::kLike, "1"},
                                                     {user, InteractionKind::kHide, "2"},
                                                     {user, InteractionKind::kRating, "3", 4},
                                                     {user, InteractionKind::kView, "4"},
                                                     {user, InteractionKind::kClick, "5"},
                                                     {user, InteractionKind::kPurchase, "6"}});
    ASSERT_TRUE(added) << added.error().message;
    EXPECT_EQ(added->kept.size() + added->not_kept.size(), 6u);
    EXPECT_EQ(kinds(user), kept) << degree;
  }
}

TEST_F(InteractionsTest, ABatchWithAFaultIsRefusedAsAWholeAndMakesNobodyKnown) {
  const base::UnixMillis ahead = clock_.now() + 3'600'000;
  const std::pair<NewInteraction, const char*> cases[] = {
      {{"sam", InteractionKind::kView, "99"}, "events[1].item"},
      {{"sam", InteractionKind::kView, ""}, "events[1].item"},
      {{"sam", InteractionKind::kRating, "1"}, "events[1].value"},
      {{"sam", InteractionKind::kRating, "1", 5.5}, "events[1].value"},
      {{"sam", InteractionKind::kView, "1", 5}, "events[1].value"},
      {{"sam", InteractionKind::kView, "1", {}, "", ahead}, "events[1].time"},
      {{"", InteractionKind::kView, "1"}, "user"},
  };
  for (const auto& [wrong, param] : cases) {
    const auto added = interactions_.add("default", {{"sam", InteractionKind::kView, "1"}, wrong});
    ASSERT_FALSE(added) << param;
    EXPECT_EQ(added.error().param, param);
  }
  EXPECT_THAT(*store_->users("", {}), IsEmpty());
}

TEST_F(InteractionsTest, WhatAUserDoesIsTheRewardOfTheListThatShowedIt) {
  did("sam", InteractionKind::kClick, "2");
  const Recommendation earlier = listed_for("sam", 3), later = listed_for("sam", 2);
  const auto rewarded = [&](const std::string& user, const std::string& item) {
    return interactions_.add("default", {{user, InteractionKind::kClick, item}})
        ->kept.front()
        .response_id;
  };
  EXPECT_EQ(rewarded("sam", "1"), later.id);
  EXPECT_EQ(rewarded("sam", "9"), earlier.id) << "the later list did not have it";
  EXPECT_EQ(rewarded("sam", "11"), "");
  EXPECT_EQ(rewarded("kim", "1"), "");
  clock_.advance(std::chrono::minutes(31));
  EXPECT_EQ(rewarded("sam", "8"), "") << "another session";
}

TEST_F(InteractionsTest, NoListIsRewardedForWhatItCannotHaveCaused) {
  did("sam", InteractionKind::kClick, "2");
  const Recommendation list = listed_for("sam", 2), of_kim = listed_for("kim", 2);
  const base::UnixMillis year = 365LL * 24 * 3'600'000;
  const auto rewarded = [&](const std::string& item, const std::string& said,
                            base::UnixMillis ago = 0) {
    return interactions_
        .add("default",
             {{"sam", InteractionKind::kPurchase, item, {}, said, ago ? clock_.now() - ago : 0}})
        ->kept.front()
        .response_id;
  };
  EXPECT_EQ(rewarded("1", ""), list.id);
  EXPECT_EQ(rewarded("1", "", year), "");
  EXPECT_EQ(rewarded("1", list.id), list.id);
  EXPECT_EQ(rewarded("1", list.id, 60'000), list.id) << "as clocks differ";
  EXPECT_EQ(rewarded("1", list.id, year), "");
  EXPECT_EQ(rewarded("11", list.id), "") << "it did not show that";
  EXPECT_EQ(rewarded("1", of_kim.id), "");
  EXPECT_EQ(rewarded("1", "rec_none"), "");
  clock_.advance(std::chrono::hours(24));
  EXPECT_EQ(rewarded("1", list.id), list.id) << "the application knows better than a session";
}

TEST_F(InteractionsTest, AReactionIsToAnItemThatTheUsersRecommendationHas) {
  did("sam", InteractionKind::kClick, "2");
  const Recommendation list = listed_for("sam", 2);
  const auto react = [&](const std::string& user, const std::string& id, const std::string& item) {
    return interactions_.react("default", {user, InteractionKind::kHide, item, {}, id});
  };
  EXPECT_EQ(react("kim", list.id, "1").error().param, "response_id");
  EXPECT_EQ(react("sam", "rec_none", "1").error().param, "response_id");
  EXPECT_EQ(react("sam", list.id, "11").error().param, "item");
  ASSERT_TRUE(react("sam", list.id, "1"));
  EXPECT_THAT(kinds("sam"), ElementsAre("hide", "click"));
  set("sam", {{"degree", 0}});
  EXPECT_EQ(react("sam", list.id, "8").error().code, ErrorCode::kConflict);
}

TEST_F(InteractionsTest, TheHistoryIsOfTheCatalogueThatIsServed) {
  did("sam", InteractionKind::kClick, "2");
  EXPECT_EQ(interactions_.history("default", "sam", {})->size(), 1u);
  EXPECT_THAT(*interactions_.history("default", "kim", {}), IsEmpty());
  EXPECT_THAT(*interactions_.history("other", "sam", {}), IsEmpty());
  EXPECT_EQ(interactions_.forget("default", "sam", "act_none").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace rapport::engine
