#include "rapport/engine/recommend.h"

#include <gmock/gmock.h>

#include "recommend_fixture.h"

namespace rapport::engine {
namespace {

using store::InteractionKind;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

using Recommend = RecommendTest;
using Ids = std::vector<std::string>;

TEST_F(Recommend, ANewInteractionCountsInTheVeryNextRequest) {
  did("sam", InteractionKind::kClick, "2");
  EXPECT_THAT(ids(listed_for("sam", 3)), ElementsAre("1", "8", "9"));
  did("sam", InteractionKind::kLike, "12");
  EXPECT_THAT(ids(listed_for("sam", 4)), ElementsAre("1", "4", "9", "8"));
  did("sam", InteractionKind::kView, "1");
  EXPECT_THAT(ids(listed_for("sam")), Not(Contains("1"))) << "what is known is not offered";
}

TEST_F(Recommend, WhatWasHiddenNeverReturnsUntilItIsTakenBack) {
  did("sam", InteractionKind::kClick, "2");
  did("sam", InteractionKind::kHide, "8");
  RecommendationRequest all;
  all.caller.body_user = "sam";
  all.k = 12;
  all.filters.include_seen = true;
  EXPECT_THAT(ids(listed(all)), Not(Contains("8"))) << "not even when what is known is asked for";
  for (int i = 0; i < 600; ++i) did("sam", InteractionKind::kView, "2");
  EXPECT_THAT(ids(listed(all)), Not(Contains("8"))) << "however long ago it was hidden";
  const auto history = interactions_.history("default", "sam", {1000, 0});
  for (const store::Interaction& each : *history) {
    if (each.kind == InteractionKind::kHide) {
      EXPECT_TRUE(interactions_.forget("default", "sam", each.id));
    }
  }
  EXPECT_THAT(ids(listed(all)), Contains("8"));
}

TEST_F(Recommend, AnUnknownUserGetsPopularityShapedBySettings) {
  Recommendation list = listed_for("kim", 4);
  EXPECT_EQ(list.model, "popularity");
  EXPECT_THAT(ids(list), ElementsAre("1", "4", "9", "8"));
  set("kim", {{"avoided_categories", "comedies, westerns"}});
  EXPECT_THAT(ids(listed_for("kim", 4)), ElementsAre("1", "9", "8", "2"));
  set("kim", {{"favourite_categories", "Horror, film noir"}, {"avoided_categories", nullptr}});
  list = listed_for("kim", 4);
  EXPECT_THAT(ids(list), ElementsAre("1", "4", "2", "9"));
  EXPECT_EQ(list.items[2].reasons[0].kind, "setting");
  EXPECT_EQ(list.items[2].reasons[0].evidence["category"], "Horror");
}

TEST_F(Recommend, AnUnmatchedSettingIsToldAndNotGuessed) {
  set("kim", {{"avoided_categories", "westerns"}});
  const Json why = explanation_of(listed_for("kim").id);
  EXPECT_EQ(why["left_out"][0]["what"], "setting avoided_categories: \"westerns\"");
}

TEST_F(Recommend, DegreeZeroUsesNothingOfTheUserAndKeepsNothing) {
  set("sam", {{"favourite_categories", "Horror"}});
  did("sam", InteractionKind::kLike, "12");
  did("sam", InteractionKind::kHide, "4");
  const auto users_before = store_->user(pseudonym("sam"))->last_seen;
  RecommendationRequest generic;
  generic.caller.body_user = "sam";
  generic.degree = profile::Degree::kGeneric;
  generic.history = Ids{"2"};
  const Recommendation list = listed(generic);
  EXPECT_EQ(list.degree, profile::Degree::kGeneric);
  EXPECT_THAT(ids(list), ElementsAre("1", "4", "9", "8", "2", "12", "5", "7", "3", "6"));
  const Json why = explanation_of(list.id);
  EXPECT_THAT(why["summary"].get<std::string>(), HasSubstr("generic"));
  EXPECT_THAT(why.dump(), Not(HasSubstr("Horror")));
  EXPECT_FALSE(why["recommendation"]["items"][0].contains("reasons"));
  EXPECT_FALSE(store_->exposure(list.id));
  EXPECT_EQ(store_->user(pseudonym("sam"))->last_seen, users_before);
}

TEST_F(Recommend, DegreeOneUsesSettingsAndWhatWasHiddenButNoHistory) {
  did("sam", InteractionKind::kClick, "12");
  did("sam", InteractionKind::kHide, "4");
  set("sam", {{"degree", 1}});
  const Recommendation list = listed_for("sam", 3);
  EXPECT_EQ(list.model, "popularity");
  EXPECT_THAT(ids(list), ElementsAre("1", "9", "8"));
  const Json why = explanation_of(list.id);
  EXPECT_THAT(why["used"]["history"], IsEmpty());
  EXPECT_THAT(why["left_out"].dump(), HasSubstr("degree 1"));
}

TEST_F(Recommend, DegreeOneOffersNothingThatWasLikedOrRatedAndReadsNoTasteFromIt) {
  did("sam", InteractionKind::kView, "8");
  set("sam", {{"degree", 1}});
  did("sam", InteractionKind::kLike, "1");
  did("sam", InteractionKind::kRating, "4", 1);
  const Recommendation list = listed_for("sam", 3);
  EXPECT_EQ(list.model, "popularity");
  EXPECT_THAT(ids(list), ElementsAre("9", "8", "2"));
  EXPECT_THAT(explanation_of(list.id)["used"]["history"], IsEmpty());
  RecommendationRequest request;
  request.caller.body_user = "sam";
  request.k = 2;
  request.filters.include_seen = true;
  EXPECT_THAT(ids(listed(request)), ElementsAre("1", "4"));
  request.filters.include_seen = false;
  request.degree = profile::Degree::kGeneric;
  EXPECT_THAT(ids(listed(request)), ElementsAre("1", "4")) << "the same for everybody";
}

TEST_F(Recommend, WhatIsKnownIsLeftOutHoweverOftenAnotherItemWasMetSince) {
  recommender_ = make({.history = 2, .diversity = 0});
  for (const char* item : {"1", "4", "9"}) did("sam", InteractionKind::kView, item);
  for (int i = 0; i < 5; ++i) did("sam", InteractionKind::kView, "2");
  const Recommendation list = listed_for("sam", 12);
  EXPECT_THAT(ids(list), UnorderedElementsAre("3", "5", "6", "7", "8", "10", "11", "12"));
  const Json history = explanation_of(list.id)["used"]["history"];
  ASSERT_EQ(history.size(), 2u) << "the limit is of items";
  EXPECT_EQ(history[0]["title"], "Fargo");
  EXPECT_EQ(history[1]["title"], "Alien");
}

TEST_F(Recommend, AHistoryOfTheRequestServesNobodyInParticularAndLeavesNothingOfItBehind) {
  RecommendationRequest request;
  request.history = Ids{"2", "12"};
  request.k = 2;
  const Recommendation list = listed(request);
  EXPECT_EQ(list.model, "companions");
  EXPECT_THAT(ids(list), ElementsAre("1", "4"));
  const Json why = explanation_of(list.id);
  EXPECT_THAT(why["summary"].get<std::string>(), HasSubstr("on 2 items of the history given"));
  EXPECT_THAT(why.dump(), Not(HasSubstr("Alien")));
  EXPECT_THAT(*store_->users("", {}), IsEmpty());
}

TEST_F(Recommend, AHistoryOfTheRequestTakesThePlaceOfTheUsersOwn) {
  did("sam", InteractionKind::kClick, "6");
  RecommendationRequest request;
  request.caller.body_user = "sam";
  request.history = Ids{"2", "2"};
  request.k = 3;
  EXPECT_THAT(ids(listed(request)), ElementsAre("1", "8", "9"));
}

TEST_F(Recommend, WhatWasRatedLowIsKnownButNoInterest) {
  did("sam", InteractionKind::kView, "12");
  did("sam", InteractionKind::kRating, "12", 1);
  did("sam", InteractionKind::kClick, "2");
  Recommendation list = listed_for("sam", 12);
  EXPECT_THAT(ids(list), Not(Contains("12")));
  EXPECT_EQ(explanation_of(list.id)["used"]["history"].size(), 1u);
  did("sam", InteractionKind::kLike, "12");
  EXPECT_EQ(explanation_of(listed_for("sam").id)["used"]["history"].size(), 2u)
      << "the newest opinion counts";
}

TEST_F(Recommend, WhatWasHiddenIsNoInterestUntilItIsLikedAnew) {
  did("sam", InteractionKind::kClick, "2");
  did("sam", InteractionKind::kLike, "12");
  did("sam", InteractionKind::kPurchase, "12");
  did("sam", InteractionKind::kHide, "12");
  did("sam", InteractionKind::kView, "12");
  EXPECT_EQ(explanation_of(listed_for("sam").id)["used"]["history"].size(), 1u);
  did("sam", InteractionKind::kLike, "12");
  EXPECT_EQ(explanation_of(listed_for("sam").id)["used"]["history"].size(), 2u);
}

TEST_F(Recommend, WhatWasHiddenTwiceIsTakenBackAtOnce) {
  did("sam", InteractionKind::kHide, "8");
  did("sam", InteractionKind::kHide, "8");
  const auto hides = interactions_.history("default", "sam", {});
  ASSERT_EQ(hides->size(), 1u);
  ASSERT_TRUE(interactions_.forget("default", "sam", hides->front().id));
  EXPECT_THAT(ids(listed_for("sam")), Contains("8"));
}

TEST_F(Recommend, AListHasTenItemsUnlessToldOrWhatIsPermittedWhenThatIsLess) {
  EXPECT_EQ(listed({}).items.size(), 10u);
  recommender_ = make({.max_items = 3});
  EXPECT_EQ(listed({}).items.size(), 3u);
  EXPECT_EQ(refused({.k = 4}).param, "k");
}

TEST_F(Recommend, FiltersAndWishesBothHold) {
  struct Case {
    RecommendationFilters filters;
    const char* query;
    std::vector<std::string> expected;
  };
  const Case cases[] = {
      {{.categories = {"horror"}}, "", {"2", "7", "11"}},
      {{.categories = {"Horror", "Romance"}}, "", {"2", "5", "7", "6", "11"}},
      {{.without_categories = {"Comedy", "Sci-Fi", "Horror"}}, "", {"9", "6"}},
      {{.year_from = 1980, .year_to = 1990}, "", {"4", "8", "7", "3"}},
      {{.categories = {"Comedy"}, .exclude = {"4", "12"}}, "", {"5", "10"}},
      {{}, "no comedy, before 1978", {"1", "6", "11"}},
      {{.categories = {"Horror"}}, "from the 60s", {"11"}},
      {{.categories = {"Horror"}}, "sci-fi", {"2"}},
      {{.categories = {"Comedy"}}, "horror", {}},
      {{.year_from = 1995}, "since 1950", {"9", "12"}},
      {{.year_from = 1950}, "since 1995", {"9", "12"}},
      {{.year_to = 1970}, "before 1990", {"6", "11"}},
      {{.year_to = 1990}, "before 1970", {"6", "11"}},
      {{.year_from = 1980}, "before 1981", {"4", "7"}},
      {{.year_from = 2020}, "", {}},
  };
  for (const Case& each : cases) {
    RecommendationRequest request;
    request.filters = each.filters;
    request.query = each.query;
    EXPECT_EQ(ids(listed(request)), each.expected) << each.query;
  }
}

TEST_F(Recommend, WhatANamedItemIsLikeComesFirstAndItIsNotOffered) {
  did("sam", InteractionKind::kLike, "5");
  RecommendationRequest request;
  request.caller.body_user = "sam";
  request.k = 3;
  EXPECT_EQ(ids(listed(request)).front(), "4");
  request.query = "like Alien";
  const Recommendation list = listed(request);
  EXPECT_EQ(ids(list).front(), "1");
  EXPECT_THAT(ids(list), Not(Contains("2")));
  EXPECT_EQ(list.items[0].reasons[0].text, "shares Sci-Fi with Alien, which you named");
  request.query.clear();
  request.like = {"2"};
  EXPECT_EQ(ids(listed(request)), ids(list));
  // It counts for this request alone.
  request.like.clear();
  EXPECT_EQ(ids(listed(request)).front(), "4");
}

TEST_F(Recommend, AMoodMovesItemsUpAndDownAndIsNoFilter) {
  RecommendationRequest request;
  request.k = 12;
  const auto place = [&](const std::string& id) {
    const auto all = ids(listed(request));
    return std::ranges::find(all, id) - all.begin();
  };
  EXPECT_GT(place("12"), place("9"));
  EXPECT_LT(place("2"), place("10"));
  EXPECT_GT(place("2"), place("4"));
  request.query = "something lighter";
  EXPECT_LT(place("12"), place("9"));
  EXPECT_GT(place("2"), place("10"));
  const Recommendation lighter = listed(request);
  EXPECT_EQ(lighter.items.size(), 12U);
  EXPECT_EQ(lighter.items[0].reasons[0].kind, "mood");
  EXPECT_EQ(lighter.items[0].reasons[0].text, "is of Comedy, as you asked for something lighter");
  request.query.clear();
  request.mood = {"Lighter"};
  EXPECT_EQ(ids(listed(request)), ids(lighter));
  request.mood = {"less light"};
  EXPECT_LT(place("2"), place("4"));
}

TEST_F(Recommend, OfAShopBrandAndPriceCanBeAskedFor) {
  slot_.put(testing::served_shop());
  recommender_ = make({.domain = "products", .diversity = 0});
  struct Case {
    RecommendationFilters filters;
    const char* query;
    std::vector<std::string> expected;
  };
  const Case cases[] = {
      {{.brands = {"opi"}}, "", {"a", "f"}},
      {{.without_brands = {"OPI", "Burts Bees"}}, "", {"b", "c", "e"}},
      {{.price_to = 12}, "", {"a", "b", "d"}},
      {{.price_from = 12, .price_to = 20}, "", {"c", "d"}},
      {{.price_to = 30}, "over $10", {"c", "d"}},
      {{}, "nail polish, not by OPI", {}},
      {{}, "nail polish, no OPI", {"b"}},
      {{.brands = {"OPI"}}, "by essie", {}},
  };
  for (const Case& each : cases) {
    RecommendationRequest request;
    request.filters = each.filters;
    request.query = each.query;
    if (std::string(each.query) == "nail polish, not by OPI") {
      EXPECT_EQ(refused(request).param, "query") << "half read is not read";
      continue;
    }
    EXPECT_EQ(ids(listed(request)), each.expected) << each.query;
  }
  RecommendationRequest request;
  request.filters.brands = {"Burt Bees"};
  EXPECT_THAT(refused(request).message, HasSubstr("did you mean \"Burt's Bees\"?"));
}

TEST_F(Recommend, WhatIsWrongIsNamedWithARemedyAndLeavesNothing) {
  struct Case {
    RecommendationRequest request;
    const char* param;
    const char* says;
  };
  std::vector<Case> cases(10);
  cases[0] = {{.history = Ids{"2", "Star wars"}}, "history[1]", "did you mean \"1\" (Star Wars)?"};
  cases[1] = {
      {.filters = {.exclude = {"123"}}}, "filters.exclude[0]", "no item of the catalogue films"};
  cases[2] = {
      {.filters = {.categories = {"Western"}}}, "filters.categories[0]", "GET /v1/catalogue"};
  cases[3] = {{.query = "something crunchy"}, "query", "\"crunchy\""};
  cases[4] = {{.k = 0}, "k", "from 1 to 100"};
  cases[5] = {{.k = 101}, "k", "from 1 to 100"};
  cases[6] = {
      {.filters = {.without_categories = {""}}}, "filters.without_categories[0]", "no category"};
  cases[7] = {{.filters = {.brands = {"OPI"}}}, "filters.brands[0]", "which names none"};
  cases[8] = {{.like = {"2", "Faargo"}}, "like[1]", "did you mean \"9\" (Fargo)?"};
  cases[9] = {{.mood = {"crunchy"}}, "mood[0]", "lighter"};
  for (Case& each : cases) {
    each.request.caller.body_user = "sam";
    const Error error = refused(each.request);
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.param, each.param);
    EXPECT_THAT(error.message, HasSubstr(each.says));
  }
  EXPECT_THAT(*store_->users("", {}), IsEmpty()) << "a refused request makes nobody known";
  slot_.put(nullptr);
  EXPECT_EQ(refused({}).code, ErrorCode::kUnavailable);
}

TEST_F(Recommend, EachReasonCanBeChecked) {
  did("sam", InteractionKind::kRating, "2", 4.5);
  did("sam", InteractionKind::kLike, "4");
  RecommendationRequest request;
  request.caller.body_user = "sam";
  request.explain = true;
  const Recommendation list = listed(request);
  const auto of = [&](const std::string& id) {
    for (const RecommendedItem& each : list.items) {
      if (each.id == id) return each.reasons;
    }
    return std::vector<Reason>{};
  };
  const auto terminator = of("8");
  ASSERT_EQ(terminator.size(), 2u);
  EXPECT_EQ(terminator[0].text, "shares Sci-Fi with Alien, which you rated 4.5");
  EXPECT_EQ(terminator[0].evidence["item"], "2");
  EXPECT_EQ(terminator[0].evidence["did"], "rating");
  EXPECT_EQ(terminator[0].evidence["shared_categories"], Json::array({"Sci-Fi"}));
  // By hand: 6 with Airplane! and 0.8 · 5 with Alien make 10; without Airplane! 5 are left, without
  // Alien 6.
  EXPECT_EQ(terminator[1].kind, "influence");
  EXPECT_EQ(terminator[1].evidence["item"], "4");
  EXPECT_NEAR(terminator[1].evidence["score_drop"].get<double>(), 5, 1e-5);
  const auto fargo = of("9");
  ASSERT_FALSE(fargo.empty());
  EXPECT_EQ(fargo[0].kind, "influence") << "no category shared, so none is claimed";
  RecommendationRequest cheap = request;
  cheap.explain = false;
  for (const RecommendedItem& each : listed(cheap).items) {
    for (const Reason& reason : each.reasons) EXPECT_NE(reason.kind, "influence");
    EXPECT_FALSE(each.reasons.empty()) << each.title;
  }
}

TEST_F(Recommend, BalanceTradesScoreForVarietyAndCanBeSwitchedOff) {
  RecommendationRequest request;
  request.history = Ids{"2"};
  request.k = 3;
  EXPECT_THAT(ids(listed(request)), ElementsAre("1", "8", "9")) << "off, as configured";
  request.diversity = 0.5;
  EXPECT_THAT(ids(listed(request)), ElementsAre("1", "9", "4"))
      << "The Terminator is Star Wars again";
}

TEST_F(Recommend, LeavesATraceAnExposureAndTheUser) {
  did("sam", InteractionKind::kClick, "2");
  const Recommendation list = listed_for("sam", 2);
  const Json why = explanation_of(list.id);
  EXPECT_EQ(why["response_id"], list.id);
  EXPECT_EQ(why["user"], pseudonym("sam"));
  EXPECT_EQ(why["recommendation"]["model"], "companions");
  EXPECT_EQ(why["recommendation"]["items"].size(), 2u);
  EXPECT_EQ(why["used"]["history"][0]["title"], "Alien");
  EXPECT_THAT(why["left_out"].dump(), HasSubstr("the user knows them already"));
  std::vector<std::string> steps;
  for (const Json& step : why["steps"]) steps.push_back(step["step"]);
  EXPECT_THAT(steps, ElementsAre("identify", "permit", "profile", "retrieve", "rank", "verify",
                                 "balance", "explain"));
  const auto exposure = store_->exposure(list.id);
  ASSERT_TRUE(exposure);
  EXPECT_EQ(exposure->policy, "recommend");
  EXPECT_EQ(exposure->arm, "companions,diversity=0");
  EXPECT_EQ(exposure->propensity, 1);
}

TEST_F(Recommend, WithoutAModelInterestsShapePopularityAndTheExplanationSaysWhy) {
  serve(false);
  did("sam", InteractionKind::kLike, "7");
  const Recommendation list = listed_for("sam", 3);
  EXPECT_EQ(list.model, "popularity");
  EXPECT_THAT(ids(list), Contains("2")) << "Horror, as The Shining";
  const Json why = explanation_of(list.id);
  EXPECT_EQ(why["recommendation"]["why_no_model"], "none is trained");
  EXPECT_EQ(why["recommendation"]["interests"][0]["category"], "Horror");
}

TEST_F(Recommend, ASwapCountsFromTheNextRequestOn) {
  did("sam", InteractionKind::kClick, "2");
  serve(false);
  EXPECT_EQ(listed_for("sam").model, "popularity");
  slot_.put(testing::served_films(true));
  EXPECT_EQ(listed_for("sam").model, "companions");
}

}  // namespace
}  // namespace rapport::engine
