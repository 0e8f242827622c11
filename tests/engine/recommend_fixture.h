// A recommender of films over a real store.
#pragma once

#include "engine_fixture.h"
#include "rapport/engine/interactions.h"
#include "rapport/engine/recommend.h"
#include "testing/films.h"

namespace rapport::engine {

class RecommendTest : public EngineTest {
 protected:
  RecommendTest() { serve(true); }

  void serve(bool with_model) {
    slot_.put(testing::served_films(with_model));
    recommender_ = make({.diversity = 0});
  }
  std::unique_ptr<Recommender> make(RecommendOptions options) {
    return std::make_unique<Recommender>(options, profile::Degree::kMemory, *store_, *keys_, slot_,
                                         attribution_, clock_, random_);
  }

  Recommendation listed(RecommendationRequest request) {
    auto list = recommender_->recommend(request);
    EXPECT_TRUE(list) << list.error().message;
    clock_.advance(std::chrono::seconds(1));
    return list.value_or(Recommendation{});
  }
  Recommendation listed_for(const std::string& user, std::int64_t k = 10) {
    RecommendationRequest request;
    request.caller.body_user = user;
    request.k = k;
    return listed(request);
  }
  Error refused(const RecommendationRequest& request) {
    const auto list = recommender_->recommend(request);
    EXPECT_FALSE(list);
    return list ? Error{} : list.error();
  }
  static std::vector<std::string> ids(const Recommendation& list) {
    std::vector<std::string> all;
    for (const RecommendedItem& each : list.items) all.push_back(each.id);
    return all;
  }

  void did(const std::string& user, store::InteractionKind kind, const std::string& item,
           std::optional<double> value = {}) {
    const auto added = interactions_.add("default", {{user, kind, item, value}});
    EXPECT_TRUE(added) << added.error().message;
    clock_.advance(std::chrono::seconds(1));
  }
  void set(const std::string& user, const Json& settings) {
    EXPECT_TRUE(users_->patch_settings("default", user, settings));
  }

  CatalogueSlot slot_;
  Attribution attribution_;
  std::unique_ptr<Recommender> recommender_;
  Interactions interactions_{*store_, *users_, slot_, attribution_, profile::Degree::kMemory,
                             clock_,  random_};
};

}  // namespace rapport::engine
