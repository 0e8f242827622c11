// Recommendations, the catalogue and what users do with its items, over the whole stack.
#include "api_fixture.h"
#include "testing/films.h"

namespace rapport::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RecommendationApi : public ApiTest {
 protected:
  RecommendationApi() { server.catalogues.put(served_films()); }

  Json recommend(const Json& body, int status = 200, const Headers& headers = {}) {
    return ask("POST", kPath, kPath, status, body, headers);
  }
  Json event(const Json& body, int status = 201, const Headers& headers = {}) {
    return ask("POST", "/v1/events", "/v1/events", status, body, headers);
  }
  static Json one_event(const char* user, const char* kind, const char* item) {
    return {{"user", user}, {"events", Json::array({{{"kind", kind}, {"item", item}}})}};
  }
  static std::vector<std::string> items(const Json& list) {
    std::vector<std::string> ids;
    for (const Json& each : list["items"]) ids.push_back(each["item"]);
    return ids;
  }

  static constexpr const char* kPath = "/v1/recommendations";
};

TEST_F(RecommendationApi, FromAnEventToAListToItsExplanation) {
  const Json batch =
      event({{"user", "sam"},
             {"events", Json::array({{{"kind", "click"}, {"item", "2"}},
                                     {{"kind", "rating"}, {"item", "4"}, {"value", 4.5}}})}});
  EXPECT_EQ(batch["kept"].size(), 2u);
  EXPECT_EQ(batch["kept"][1]["title"], "Airplane!");
  const Json list = recommend({{"user", "sam"}, {"k", 3}, {"explain", true}});
  EXPECT_EQ(list["model"], "companions");
  ASSERT_EQ(list["items"].size(), 3u);
  EXPECT_EQ(list["items"][0]["title"], "Star Wars");
  EXPECT_THAT(list["items"][0]["reasons"].dump(), HasSubstr("Alien"));
  const std::string id = list["id"];
  const Json why =
      ask("GET", "/v1/responses/{id}/explanation", "/v1/responses/" + id + "/explanation", 200);
  EXPECT_EQ(why["recommendation"]["items"].size(), 3u);
  EXPECT_EQ(why["used"]["history"].size(), 2u);
}

TEST_F(RecommendationApi, AnUnknownUserAndNobodyGetAListToo) {
  EXPECT_EQ(recommend({{"user", "kim"}, {"k", 2}})["model"], "popularity");
  EXPECT_THAT(items(recommend({{"k", 2}})), ElementsAre("1", "4"));
  EXPECT_EQ(recommend({{"history", Json::array({"2"})}})["degree"], 0);
  EXPECT_EQ(ask("GET", "/v1/users", "/v1/users", 200)["data"].size(), 1u);
}

TEST_F(RecommendationApi, FeedbackOnAnItemCountsInTheNextList) {
  const Json list = recommend({{"user", "sam"}, {"k", 3}});
  const std::string first = list["items"][0]["item"];
  const std::string path = "/v1/feedback";
  const Json said = ask("POST", path, path, 201,
                        {{"response_id", list["id"]}, {"item", first}, {"reaction", "hide"}});
  EXPECT_EQ(said["kind"], "hide");
  EXPECT_THAT(items(recommend({{"user", "sam"}, {"k", 12}})), Not(::testing::Contains(first)));
  const Json rated =
      ask("POST", path, path, 201,
          {{"response_id", list["id"]}, {"item", list["items"][1]["item"]}, {"rating", 4.5}});
  EXPECT_EQ(rated["data"]["rating"], 4.5);
  ask("POST", path, path, 201, {{"response_id", list["id"]}, {"thumb", "up"}});

  const std::pair<Json, int> refused[] = {
      {{{"response_id", list["id"]}, {"item", "11"}, {"reaction", "like"}}, 404},
      {{{"response_id", list["id"]}, {"item", first}, {"reaction", "love"}}, 400},
      {{{"response_id", list["id"]}, {"item", first}}, 400},
      {{{"response_id", list["id"]}, {"item", first}, {"reaction", "like"}, {"rating", 4}}, 400},
      {{{"response_id", list["id"]}, {"item", first}, {"rating", 9}}, 400},
      {{{"response_id", list["id"]}, {"item", 7}, {"reaction", "like"}}, 400},
      {{{"response_id", list["id"]}, {"item", first}, {"reaction", "like"}, {"user", "kim"}}, 404},
      {{{"response_id", "rec_none"}, {"item", first}, {"reaction", "like"}}, 404},
  };
  for (const auto& [body, status] : refused) ask("POST", path, path, status, body);
}

TEST_F(RecommendationApi, TheHistoryIsListedAndForgottenEntryByEntry) {
  event(one_event("sam", "view", "2"));
  event(one_event("sam", "hide", "8"));
  const std::string path = "/v1/users/{id}/history", target = "/v1/users/sam/history";
  const Json history = ask("GET", path, target, 200);
  ASSERT_EQ(history["data"].size(), 2u);
  EXPECT_EQ(history["data"][0]["title"], "The Terminator") << "newest first";
  const std::string entry = history["data"][0]["id"];
  ask("DELETE", path + "/{entry}", "/v1/users/kim/history/" + entry, 404);
  ask("DELETE", path + "/{entry}", target + "/" + entry, 200);
  ask("DELETE", path + "/{entry}", target + "/" + entry, 404);
  EXPECT_EQ(ask("GET", path, target + "?limit=1", 200)["data"].size(), 1u);
  EXPECT_THAT(ask("GET", path, "/v1/users/nobody/history", 200)["data"], IsEmpty());
}

TEST_F(RecommendationApi, TheCatalogueIsDescribedSearchedAndRead) {
  const Json catalogue = ask("GET", "/v1/catalogue", "/v1/catalogue", 200);
  EXPECT_EQ(catalogue["name"], "films");
  EXPECT_EQ(catalogue["items"], 12);
  const std::string path = "/v1/catalogue/items";
  const auto titles = [&](const std::string& query) {
    std::vector<std::string> found;
    const Json list = ask("GET", path, path + query, 200);
    for (const Json& each : list["data"]) found.push_back(each["title"]);
    return found;
  };
  EXPECT_THAT(titles("?limit=2"), ElementsAre("Star Wars", "Airplane!"));
  EXPECT_THAT(titles("?query=STORY%20toy"), ElementsAre("Toy Story"));
  EXPECT_THAT(titles("?category=comedies&query=a"), ElementsAre("Airplane!", "Annie Hall"));
  EXPECT_THAT(titles("?query=%21%3F"), IsEmpty());
  EXPECT_THAT(titles("?limit=2&offset=11"), ElementsAre("Psycho"));
  EXPECT_EQ(param(ask("GET", path, path + "?category=western", 400)), "\"category\"");
  EXPECT_EQ(param(ask("GET", path, path + "?query=" + std::string(600, 'a'), 400)), "\"query\"");
  EXPECT_EQ(ask("GET", path + "/{id}", path + "/6", 200)["year"], 1942);
  ask("GET", path + "/{id}", path + "/no%2Fsuch", 404);
}

TEST_F(RecommendationApi, AKeyOfAUserReachesThatUserOnly) {
  const Headers sam = bearer(server.key(store::KeyRole::kUser, "default", "sam"));
  const Headers app = bearer(server.key(store::KeyRole::kApp));
  event({{"events", Json::array({{{"kind", "like"}, {"item", "2"}}})}}, 201, sam);
  event(one_event("kim", "like", "2"), 403, sam);
  event({{"events", Json::array({{{"kind", "like"}, {"item", "2"}, {"user", "kim"}}})}}, 403, sam);
  ask("GET", "/v1/users/{id}/history", "/v1/users/kim/history", 403, {}, sam);
  ask("DELETE", "/v1/users/{id}/history/{entry}", "/v1/users/kim/history/act_1", 403, {}, sam);
  // The key decides who is asking, whatever the request says.
  EXPECT_THAT(items(recommend({{"user", "kim"}, {"k", 12}}, 200, sam)),
              Not(::testing::Contains("2")));
  const Json of_kim = recommend({{"user", "kim"}, {"k", 3}}, 200, app);
  const std::string path = "/v1/feedback";
  const Json hide = {{"response_id", of_kim["id"]}, {"item", "1"}, {"reaction", "hide"}};
  ask("POST", path, path, 404, hide, sam);
  const std::string id = of_kim["id"];
  ask("GET", "/v1/responses/{id}/explanation", "/v1/responses/" + id + "/explanation", 404, {},
      sam);
  ask("GET", "/v1/catalogue/items", "/v1/catalogue/items", 401);
  ask("GET", "/v1/jobs/{id}", "/v1/jobs/job_1", 403, {}, app);
}

TEST_F(RecommendationApi, HostileInputIsRefusedWithItsPlace) {
  Json deep = Json::array();
  for (int i = 0; i < 1'001; ++i) deep.push_back("1");
  const std::pair<Json, const char*> requests[] = {
      {{{"k", 0}}, "\"k\""},
      {{{"k", 1e300}}, "\"k\""},
      {{{"k", "10"}}, "\"k\""},
      {{{"histry", Json::array()}}, "\"histry\""},
      {{{"history", "2"}}, "\"history\""},
      {{{"history", Json::array({2})}}, "\"history[0]\""},
      {{{"history", Json::array({"2", "99"})}}, "\"history[1]\""},
      {{{"history", deep}}, "\"history\""},
      {{{"history", Json::array({std::string(10'000, '1')})}}, "\"history[0]\""},
      {{{"filters", Json::array()}}, "\"filters\""},
      {{{"filters", {{"year_from", 1e9}}}}, "\"filters.year_from\""},
      {{{"filters", {{"categories", Json::array({"Western"})}}}}, "\"filters.categories[0]\""},
      {{{"filters", {{"colour", "red"}}}}, "\"filters.colour\""},
      {{{"query", std::string(1'001, 'a')}}, "\"query\""},
      {{{"query", "something crunchy"}}, "\"query\""},
      {{{"diversity", 2}}, "\"diversity\""},
      {{{"user", std::string(600, 'u')}}, "\"user\""},
      {{{"user", 7}}, "\"user\""},
  };
  for (const auto& [body, where] : requests) EXPECT_EQ(param(recommend(body, 400)), where) << body;
  recommend({{"k", 1}}, 400, {{"x-rapport-degree", "7"}});

  const Json good = {{"kind", "view"}, {"item", "2"}, {"user", "sam"}};
  const auto with = [&](const char* key, const Json& value) {
    Json changed = good;
    changed[key] = value;
    return changed;
  };
  const std::pair<Json, const char*> events[] = {
      {with("kind", "stare"), "\"events[1].kind\""},
      {with("kind", nullptr), "\"events[1].kind\""},
      {with("item", ""), "\"events[1].item\""},
      {with("item", "99"), "\"events[1].item\""},
      {with("item", 2), "\"events[1].item\""},
      {with("value", 3), "\"events[1].value\""},
      {with("time", -1), "\"events[1].time\""},
      {with("time", 253402300799999), "\"events[1].time\""},
      {with("user", ""), "\"events[1].user\""},
      {with("colour", "red"), "\"events[1].colour\""},
      {Json("view"), "\"events[1]\""},
  };
  for (const auto& [wrong, where] : events) {
    EXPECT_EQ(param(event({{"events", Json::array({good, wrong})}}, 400)), where) << wrong;
  }
  EXPECT_EQ(param(event({{"events", Json::array()}}, 400)), "\"events\"");
  EXPECT_EQ(param(event({{"user", "sam"}}, 400)), "\"events\"");
  EXPECT_THAT(ask("GET", "/v1/users", "/v1/users", 200)["data"], IsEmpty()) << "nothing was kept";
}

TEST_F(RecommendationApi, WithoutACatalogueItSaysWhatToDo) {
  server.catalogues.put(nullptr);
  for (const char* path : {"/v1/catalogue", "/v1/catalogue/items"}) ask("GET", path, path, 503);
  EXPECT_THAT(recommend({{"k", 1}}, 503)["error"]["message"].get<std::string>(),
              HasSubstr("recommend.dataset"));
  event(one_event("sam", "view", "2"), 503);
  EXPECT_EQ(ask("GET", "/readyz", "/readyz", 200)["catalogue"], Json());
}

TEST_F(RecommendationApi, AJobIsShownWithItsProgress) {
  store::Job job;
  job.id = "job_1";
  job.kind = "train_retriever";
  ASSERT_TRUE(server.store->enqueue(job));
  job = **server.store->claim_job({"train_retriever"}, std::chrono::seconds(60));
  job.progress = 0.25;
  ASSERT_TRUE(server.store->update_job(job));
  const Json shown = ask("GET", "/v1/jobs/{id}", "/v1/jobs/job_1", 200);
  EXPECT_EQ(shown["progress"], 0.25);
  EXPECT_EQ(shown["status"], "running");
  ask("GET", "/v1/jobs/{id}", "/v1/jobs/job_2", 404);
}

TEST_F(RecommendationApi, ChatOffersFilmsThatExist) {
  event(one_event("sam", "like", "2"));
  const Received answer = server.chat("sam", "What should I watch tonight?");
  const std::string text = answer.json()["choices"][0]["message"]["content"];
  EXPECT_THAT(text, HasSubstr("1. Star Wars (1977)"));
  EXPECT_EQ(answer.json()["model"], "films/companions");
  std::string streamed;
  for (const std::string& each :
       server.chat("sam", "What should I watch tonight?", {{"stream", true}}).events()) {
    if (each == "[DONE]") continue;
    streamed += Json::parse(each)["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(streamed, text);
  EXPECT_EQ(
      server.chat("sam", "What should I cook tonight?").json()["choices"][0]["message"]["content"],
      "Mushroom risotto.");
}

}  // namespace
}  // namespace rapport::testing
