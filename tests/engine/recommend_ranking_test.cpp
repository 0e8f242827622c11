// Lists that a learned ranker orders.
#include <gmock/gmock.h>

#include "palr/palr_testing.h"
#include "rapport/palr/learning.h"
#include "rapport/retrieval/model_directory.h"
#include "recommend_fixture.h"

namespace rapport::engine {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Each look at it takes a tenth of a second.
class TiringClock final : public base::Clock {
 public:
  base::UnixMillis now() const override { return 1'700'000'000'000; }
  std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::milliseconds(100 * ++looks_));
  }

 private:
  mutable std::atomic<std::int64_t> looks_ = 0;
};

class RankedRecommend : public RecommendTest {
 protected:
  RankedRecommend() {
    const base::SystemClock clock;
    const std::filesystem::path retrievers = home_.path() / "retrievers";
    std::vector<std::string> directories;
    for (const char* kind : {"fpmc", "popularity"}) {
      const auto fit = retrieval::fit_retriever(kind, *shop_, {}, {.clock = clock});
      EXPECT_TRUE(fit && retrieval::save_model(*fit, *shop_, retrievers / kind));
      directories.push_back((retrievers / kind).string());
    }
    palr::PalrOptions options;
    options.pool.best = 10;  // as many as the recommender retrieves
    options.fraction = 1;
    options.ranker.rounds = 20;
    const auto sources = palr::load_sources(directories, *shop_);
    EXPECT_TRUE(sources) << sources.error().message;
    auto model = palr::learn_ranking(*shop_, *sources, options, {}, {.clock = clock, .ranker = {}});
    EXPECT_TRUE(model) << model.error().message;
    const auto ranking = palr::ListRanker::create(*std::move(model), *sources, *shop_, 1);
    EXPECT_TRUE(ranking) << ranking.error().message;
    ranking_ = *ranking;
    slot_.put(ServedCatalogue::create(shop_, sources->front().model)->with_ranking(ranking_));
    recommender_ = make({.candidates = 10, .diversity = 0});
  }
  RecommendationRequest of_one_brand() const {
    RecommendationRequest request;
    request.history = std::vector<std::string>{"item 3", "item 5", "item 8"};
    request.k = 5;
    return request;
  }

  const std::shared_ptr<const data::Dataset> shop_ =
      std::make_shared<const data::Dataset>(palr::brand_shop(120, 6, 6, 3));
  std::shared_ptr<const palr::ListRanker> ranking_;
};

TEST_F(RankedRecommend, StandsInTheRankersOrder) {
  const Recommendation list = listed(of_one_brand());
  EXPECT_EQ(list.model, "fpmc");
  EXPECT_EQ(list.ranker, "xgboost");
  ASSERT_EQ(list.items.size(), 5u);
  const std::vector<data::ItemIndex> history = {3, 5, 8};
  const auto ranked = ranking_->rank({.history = history}, {});
  ASSERT_TRUE(ranked);
  const float best = *std::ranges::max_element(ranked->scores);
  EXPECT_FLOAT_EQ(static_cast<float>(list.items.front().score), best);
  for (std::size_t i = 1; i < list.items.size(); ++i)
    EXPECT_GE(list.items[i - 1].score, list.items[i].score);
  const Json why = explanation_of(list.id);
  EXPECT_EQ(why["recommendation"]["ranker"], "xgboost");
  EXPECT_EQ(why["choice"]["arm"], "fpmc+xgboost,diversity=0");
  EXPECT_THAT(why["summary"].get<std::string>(),
              HasSubstr("what xgboost learned of fpmc, popularity"));
}

TEST_F(RankedRecommend, ShowsNothingThatIsNotAllowedWhicheverRetrieverProposesIt) {
  did("sam", store::InteractionKind::kLike, "item 3");
  did("sam", store::InteractionKind::kHide, "item 4");
  RecommendationRequest request;
  request.caller.body_user = "sam";
  request.k = 60;
  request.filters.without_categories = {"kind 1"};
  const Recommendation list = listed(request);
  EXPECT_EQ(list.ranker, "xgboost");
  ASSERT_FALSE(list.items.empty());
  EXPECT_THAT(ids(list), Not(Contains("item 3"))) << "known";
  EXPECT_THAT(ids(list), Not(Contains("item 4"))) << "hidden";
  for (const RecommendedItem& each : list.items)
    EXPECT_THAT(each.categories, Not(Contains("kind 1"))) << each.id;
}

TEST_F(RankedRecommend, SaysWhatPutEachItemThere) {
  const Recommendation list = listed(of_one_brand());
  const auto& reasons = list.items.front().reasons;
  const auto ranking = std::ranges::find(reasons, "ranking", &Reason::kind);
  ASSERT_NE(ranking, reasons.end());
  EXPECT_EQ(ranking->evidence["ranker"], "xgboost");
  ASSERT_FALSE(ranking->evidence["features"].empty());
  for (const Json& feature : ranking->evidence["features"]) {
    EXPECT_GT(feature["contribution"].get<double>(), 0);
    EXPECT_TRUE(feature["value"].is_number());
    EXPECT_THAT(feature["meaning"].get<std::string>(), Not(IsEmpty()));
  }
  EXPECT_THAT(ranking->text, HasSubstr("stands above the average candidate by "));
  EXPECT_THAT(ranking->text, Not(HasSubstr("{newest}")));
}

TEST_F(RankedRecommend, FallsBackToTheModelsOrderWhenItTakesTooLong) {
  const TiringClock clock;
  Recommender slow({.ranking_ms = 150, .diversity = 0}, profile::Degree::kMemory, *store_, *keys_,
                   slot_, attribution_, clock, random_);
  did("sam", store::InteractionKind::kLike, "item 3");
  RecommendationRequest request;
  request.caller.body_user = "sam";
  const auto list = slow.recommend(request);
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->ranker, "");
  EXPECT_FALSE(list->items.empty());
  const Json why = explanation_of(list->id);
  EXPECT_TRUE(why["recommendation"]["ranker"].is_null());
  EXPECT_THAT(why["left_out"].dump(), HasSubstr("longer than 150 ms"));
  EXPECT_THAT(why["left_out"].dump(), HasSubstr("in the order of fpmc"));
}

TEST_F(RankedRecommend, ADegreeThatReadsNoHistoryGetsNothingOfIt) {
  for (const char* item : {"item 3", "item 5", "item 8"})
    did("sam", store::InteractionKind::kLike, item);
  const Recommendation generic = listed({});
  for (const auto degree : {profile::Degree::kGeneric, profile::Degree::kSettings}) {
    RecommendationRequest request;
    request.caller.body_user = "sam";
    request.degree = degree;
    request.explain = true;
    const Recommendation list = listed(request);
    EXPECT_EQ(list.model, "popularity");
    EXPECT_EQ(list.ranker, "");
    for (const RecommendedItem& each : list.items)
      for (const Reason& reason : each.reasons) EXPECT_NE(reason.kind, "ranking");
    if (degree == profile::Degree::kGeneric) {
      EXPECT_EQ(ids(list), ids(generic));
    }
  }
}

TEST_F(RankedRecommend, AnEmptyListIsNoFault) {
  RecommendationRequest request = of_one_brand();
  request.filters.year_from = 2100;
  EXPECT_TRUE(listed(request).items.empty());
}

TEST_F(RankedRecommend, OfNobodysTasteThereIsNothingToRankBy) {
  const Recommendation list = listed({});
  EXPECT_EQ(list.model, "popularity");
  EXPECT_EQ(list.ranker, "");
}

}  // namespace
}  // namespace rapport::engine
