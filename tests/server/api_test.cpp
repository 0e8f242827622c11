// Rapport's own routes over the whole stack; every answer is held to the specification.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "api_fixture.h"
#include "rapport/server/openapi.h"

namespace rapport::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(ApiTest, SettingsArePatchedFieldByField) {
  const std::string path = "/v1/users/{id}/settings", target = "/v1/users/sam/settings";
  EXPECT_EQ(ask("GET", path, target, 200), Json::object()) << "unknown users have none";
  const Json set = {{"length", "brief"}, {"domains", {{"cooking", {{"tone", "playful"}}}}}};
  EXPECT_EQ(ask("PATCH", path, target, 200, set)["length"], "brief");
  EXPECT_EQ(ask("PATCH", path, target, 200, {{"length", nullptr}, {"degree", 2}}),
            Json::parse(R"({"degree": 2, "domains": {"cooking": {"tone": "playful"}}})"));
  EXPECT_EQ(param(ask("PATCH", path, target, 400, {{"lenght", "brief"}})), "\"lenght\"");
  EXPECT_EQ(ask("GET", path, target, 200)["degree"], 2) << "a refused patch changes nothing";
}

TEST_F(ApiTest, FactsAreAddedCorrectedAndForgotten) {
  const std::string path = "/v1/users/{id}/facts", target = "/v1/users/sam%20b%2Fc/facts";
  const Json fact = ask("POST", path, target, 201, {{"text", "I'm vegetarian"}});
  EXPECT_EQ(fact["text"], "I'm vegetarian");
  const std::string id = fact["id"];
  EXPECT_EQ(ask("GET", path, target, 200)["data"].size(), 1u);
  const std::string one = path + "/{fact}";
  EXPECT_EQ(ask("PATCH", one, target + "/" + id, 200, {{"confidence", 0.5}})["confidence"], 0.5);
  EXPECT_EQ(ask("DELETE", one, target + "/" + id, 200)["deleted"], true);
  EXPECT_EQ(ask("GET", path, target, 200)["data"].size(), 0u);
  EXPECT_EQ(ask("GET", path, target + "?include_inactive=true", 200)["data"].size(), 1u);
  ask("DELETE", one, target + "/fact_none", 404);
  EXPECT_EQ(param(ask("POST", path, target, 400, {{"txt", "x"}})), "\"text\"");
  EXPECT_EQ(param(ask("POST", path, target, 400, {{"text", "x"}, {"more", 1}})), "\"more\"");
}

TEST_F(ApiTest, ConversationsAreListedReadAndDeleted) {
  server.chat("sam", "I'm vegetarian, by the way.");
  server.chat("sam", "Something else.", {{"metadata", {{"conversation_id", "ticket 7"}}}});
  server.chat("kim", "Hi");
  const std::string path = "/v1/conversations";
  const Json list = ask("GET", path, "/v1/conversations?user=sam", 200);
  ASSERT_EQ(list["data"].size(), 2u);
  EXPECT_EQ(list["data"][0]["name"], "ticket 7") << "newest first";
  EXPECT_EQ(list["has_more"], false);
  EXPECT_EQ(ask("GET", path, "/v1/conversations?user=sam&limit=1", 200)["has_more"], true);
  const std::string id = list["data"][1]["id"], one = path + "/{id}";
  const Json conversation = ask("GET", one, path + "/" + id + "?user=sam", 200);
  EXPECT_EQ(conversation["data"][0]["message"]["content"], "I'm vegetarian, by the way.");
  EXPECT_THAT(conversation["data"][1]["response_id"].get<std::string>(), HasSubstr("chatcmpl-"));
  ask("GET", one, path + "/" + id + "?user=kim", 404);
  ask("DELETE", one, path + "/" + id + "?user=kim", 404);
  ask("DELETE", one, path + "/" + id + "?user=sam", 200);
  ask("GET", one, path + "/" + id + "?user=sam", 404);
  EXPECT_EQ(ask("GET", path, "/v1/conversations?user=nobody", 200)["data"], Json::array());
  EXPECT_EQ(param(ask("GET", path, "/v1/conversations", 400)), "\"user\"");
  EXPECT_EQ(param(ask("GET", path, "/v1/conversations?user=sam&limit=0", 400)), "\"limit\"");
  EXPECT_EQ(param(ask("GET", path, "/v1/conversations?user=sam&offset=x", 400)), "\"offset\"");
}

TEST_F(ApiTest, FeedbackIsKeptForTheUserOfTheResponse) {
  const std::string id = server.chat("sam", "Hi").json()["id"];
  const std::string path = "/v1/feedback";
  const Json event = ask("POST", path, path, 201, {{"response_id", id}, {"thumb", "up"}});
  EXPECT_EQ(event["response_id"], id);
  ask("POST", path, path, 201, {{"response_id", id}, {"rating", 4}, {"user", "sam"}});
  ask("POST", path, path, 404, {{"response_id", id}, {"rating", 4}, {"user", "kim"}});
  ask("POST", path, path, 404, {{"response_id", "chatcmpl-none"}, {"thumb", "up"}});
  EXPECT_EQ(param(ask("POST", path, path, 400, {{"thumb", "up"}})), "\"response_id\"");
  const std::string anonymous = server.chat("", "Hi").json()["id"];
  ask("POST", path, path, 400, {{"response_id", anonymous}, {"thumb", "up"}});
}

TEST_F(ApiTest, ExplainsItsAnswersAlsoGenericOnes) {
  const std::string path = "/v1/responses/{id}/explanation";
  for (const char* user : {"sam", ""}) {
    const std::string id = server.chat(user, "I'm vegetarian, by the way.").json()["id"];
    const Json why = ask("GET", path, "/v1/responses/" + id + "/explanation", 200);
    EXPECT_EQ(why["degree"], *user == 0 ? 0 : 3);
  }
  ask("GET", path, "/v1/responses/chatcmpl-none/explanation", 404);
}

TEST_F(ApiTest, ListsUsersLastSeenFirst) {
  for (const char* user : {"kim", "sam", "zoë"}) {
    server.chat(user, "Hi");
    // Seen in another millisecond each; within one their order is not said.
    for (const auto seen = server.clock.now(); server.clock.now() == seen;) {
    }
  }
  const Json list = ask("GET", "/v1/users", "/v1/users?limit=2", 200);
  ASSERT_EQ(list["data"].size(), 2u);
  EXPECT_EQ(list["data"][0]["id"], "zoë");
  EXPECT_EQ(list["has_more"], true);
  EXPECT_EQ(ask("GET", "/v1/users", "/v1/users?limit=2&offset=2", 200)["has_more"], false);
}

TEST_F(ApiTest, ListsModels) {
  const Json list = ask("GET", "/v1/models", "/v1/models", 200);
  EXPECT_EQ(list["data"][0]["id"], "scripted");
  EXPECT_EQ(list["data"][1]["id"], "letters");
  const std::string one = "/v1/models/{id}";
  EXPECT_EQ(ask("GET", one, "/v1/models/default", 200)["id"], "scripted");
  EXPECT_EQ(ask("GET", one, "/v1/models/letters", 200)["id"], "letters");
  EXPECT_EQ(ask("GET", one, "/v1/models/org%2Fnone", 404)["error"]["code"], "model_not_found");
}

TEST_F(ApiTest, EmbedsAsFloatsOrBase64) {
  const std::string path = "/v1/embeddings";
  const Json floats = ask("POST", path, path, 200, {{"input", Json::array({"aaaa", "bcd"})}});
  ASSERT_EQ(floats["data"].size(), 2u);
  EXPECT_NEAR(floats["data"][0]["embedding"][1].get<double>(), 0.70710678, 1e-6);
  EXPECT_EQ(floats["data"][1]["embedding"], Json::parse("[1.0, 0.0]"));
  EXPECT_EQ(floats["usage"]["total_tokens"], 2);
  const Json packed = ask("POST", path, path, 200,
                          {{"input", "bcd"}, {"encoding_format", "base64"}, {"model", "letters"}});
  EXPECT_EQ(packed["data"][0]["embedding"], "AACAPwAAAAA=") << "1.0f and 0.0f, little-endian";
}

TEST_F(ApiTest, RefusesEmbeddingsItCannotMake) {
  const std::string path = "/v1/embeddings";
  Json many = Json::array();
  for (int i = 0; i < 2049; ++i) many.push_back("x");
  Json long_one = Json::array();
  for (int i = 0; i < 40; ++i) long_one.push_back(i == 37 ? std::string(101, 'x') : "x");
  const std::pair<Json, const char*> cases[] = {
      {{{"input", nullptr}}, "\"input\""},
      {{{"input", ""}}, "\"input\""},
      {{{"input", Json::array()}}, "\"input\""},
      {{{"input", many}}, "\"input\""},
      {{{"input", Json::array({"a", ""})}}, "\"input[1]\""},
      {{{"input", long_one}}, "\"input[37]\""},
      {{{"input", Json::array({1, 2})}}, "\"input\""},
      {{{"input", Json::parse("[[1, 2]]")}}, "\"input\""},
      {{{"input", Json::array({"a", nullptr})}}, "\"input[1]\""},
      {{{"input", "a"}, {"dimensions", 256}}, "\"dimensions\""},
      {{{"input", "a"}, {"encoding_format", "int8"}}, "\"encoding_format\""},
      {{{"input", "a"}, {"purpose", "x"}}, "\"purpose\""},
  };
  for (const auto& [body, where] : cases)
    EXPECT_EQ(param(ask("POST", path, path, 400, body)), where);
  ask("POST", path, path, 200, {{"input", "a"}, {"dimensions", 2}, {"user", "sam"}});
  EXPECT_EQ(ask("POST", path, path, 404, {{"input", "a"}, {"model", "ada"}})["error"]["code"],
            "model_not_found");
}

TEST_F(ApiTest, SaysThatItLivesAndWhatItHasLoaded) {
  ask("GET", "/healthz", "/healthz", 200);
  const Json ready = ask("GET", "/readyz", "/readyz", 200);
  EXPECT_EQ(ready["model"], "scripted");
  EXPECT_EQ(ready["embedding_model"], "letters");
  EXPECT_EQ(ready["version"], "1.2.3");
}

TEST_F(ApiTest, ListsJobsWithoutTheirPayload) {
  server.chat("sam", "I'm vegetarian, by the way.");
  const Json jobs = ask("GET", "/v1/jobs", "/v1/jobs", 200);
  ASSERT_FALSE(jobs["data"].empty());
  EXPECT_FALSE(jobs["data"][0].contains("payload"));
}

TEST_F(ApiTest, CountsForPrometheusAndNamesNobody) {
  server.chat("sam", "Hi", {{"stream", true}});
  server.get("/v1/users/sam/facts");
  server.get("/nowhere/sam");
  // A request is counted once its answer is out, and its client may be faster than that.
  Received metrics = server.get("/metrics");
  for (int i = 0; i < 500 && metrics.body.find("unmatched") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    metrics = server.get("/metrics");
  }
  EXPECT_THAT(metrics.header("content-type"), HasSubstr("text/plain"));
  for (const char* line :
       {"rapport_http_requests_total{", "route=\"/v1/users/{id}/facts\"", "route=\"unmatched\"",
        "rapport_first_token_seconds_count 1", "rapport_tokens_total{kind=\"completion\"} 2",
        "rapport_build_info{version=\"1.2.3\"} 1"})
    EXPECT_THAT(metrics.body, HasSubstr(line));
  EXPECT_THAT(metrics.body, ::testing::Not(HasSubstr("sam")));
}

TEST_F(ApiTest, ThePageRunsNoScriptButItsOwn) {
  const Received page = server.get("/");
  EXPECT_EQ(page.status, 200);
  const std::string policy = page.header("content-security-policy");
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, ::testing::Not(HasSubstr("unsafe")));
  const std::size_t at = policy.find("'nonce-") + 7;
  const std::string nonce = policy.substr(at, policy.find('\'', at) - at);
  EXPECT_GE(nonce.size(), 16u);
  EXPECT_THAT(page.body, HasSubstr("<script nonce=\"" + nonce + "\">"));
  EXPECT_THAT(page.body, ::testing::Not(HasSubstr("{{")));
  EXPECT_THAT(page.body, ::testing::Not(::testing::ContainsRegex(" on[a-z]+=\"")));
  EXPECT_EQ(page.header("x-frame-options"), "DENY");
  EXPECT_EQ(page.header("x-content-type-options"), "nosniff");
  EXPECT_NE(server.get("/").header("content-security-policy"), policy) << "a nonce is used once";
}

TEST_F(ApiTest, TheSpecificationAndTheTableSayTheSame) {
  // From the specification every path must be routed: a wrong method on it is 405, not 404.
  std::set<std::string> ids;
  for (const auto& [path, operations] : specification["paths"].items()) {
    std::string target = path;
    for (std::size_t brace; (brace = target.find('{')) != std::string::npos;)
      target.replace(brace, target.find('}') - brace + 1, "x");
    const Received wrong = server.send("TRACE", target, {});
    EXPECT_EQ(wrong.status, 405) << path;
    for (const auto& [method, operation] : operations.items()) {
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(c));
      EXPECT_THAT(wrong.header("allow"), HasSubstr(upper)) << path;
      EXPECT_TRUE(ids.insert(operation["operationId"]).second) << "ids must differ";
      // Each {parameter} of the path is described, and nothing else as one of the path.
      std::set<std::string> in_path, described;
      for (std::size_t brace = path.find('{'); brace != std::string::npos;
           brace = path.find('{', brace + 1))
        in_path.insert(path.substr(brace + 1, path.find('}', brace) - brace - 1));
      for (const Json& parameter : operation.value("parameters", Json::array())) {
        if (parameter["in"] == "path") described.insert(parameter["name"]);
      }
      EXPECT_EQ(in_path, described) << path;
    }
  }
  EXPECT_GE(ids.size(), 24u);
  // And each schema that is referred to is there.
  const std::string text = specification.dump();
  const std::string mark = "#/components/schemas/";
  for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    const std::string schema = text.substr(at + mark.size(), text.find('"', at) - at - mark.size());
    EXPECT_TRUE(specification["components"]["schemas"].contains(schema)) << schema;
  }
}

TEST_F(ApiTest, ChatAnswersAndChunksFitTheSpecification) {
  const Json more = {
      {"user", "sam"}, {"logprobs", true}, {"n", 2}, {"temperature", 0.5}, {"stop", "x"}};
  Json body = say("Hi");
  body.update(more);
  const std::string path = "/v1/chat/completions";
  ask("POST", path, path, 200, body);
  const Json chunk = {{"$ref", "#/components/schemas/ChatCompletionChunk"}};
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  for (const std::string& event : server.post(path, body).events()) {
    if (event == "[DONE]") continue;
    EXPECT_THAT(schema_faults(Json::parse(event), chunk, specification), ElementsAre()) << event;
  }
}

}  // namespace
}  // namespace rapport::testing
