// Who may do what: keys, roles, applications, browsers, rates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_server.h"

namespace rapport::testing {
namespace {

using store::KeyRole;
using ::testing::HasSubstr;

class AccessTest : public ::testing::Test {
 protected:
  TestServer server{{"ok"}};
  const std::string admin = server.key(KeyRole::kAdmin);
  const std::string kitchen = server.key(KeyRole::kApp, "kitchen");
  const std::string garden = server.key(KeyRole::kApp, "garden");
  const std::string sam = server.key(KeyRole::kUser, "kitchen", "sam");

  Received chat(const Headers& headers, const std::string& user) {
    Json body = say("I'm vegetarian, by the way.");
    body["user"] = user;
    return server.post("/v1/chat/completions", body, headers);
  }
};

struct AccessCase {
  const char* method;
  const char* target;
  const char* body;
  int none, wrong, admin, kitchen, sam;
};

TEST_F(AccessTest, RolesReachWhatIsTheirs) {
  const std::string sams = chat(bearer(sam), "").json()["id"];
  const std::string kims = chat(bearer(kitchen), "kim").json()["id"];
  const std::string conversation =
      server.get("/v1/conversations?user=kim", bearer(kitchen)).json()["data"][0]["id"];
  const std::string why_sam = "/v1/responses/" + sams + "/explanation";
  const std::string why_kim = "/v1/responses/" + kims + "/explanation";
  const std::string kims_talk = "/v1/conversations/" + conversation + "?user=kim";
  const std::string rate_kim = R"({"thumb": "up", "response_id": ")" + kims + "\"}";
  const AccessCase cases[] = {
      // method, target, body                                     none wrong admin kitchen sam
      {"GET", "/healthz", "", 200, 200, 200, 200, 200},
      {"GET", "/readyz", "", 200, 200, 200, 200, 200},
      {"GET", "/openapi.json", "", 200, 200, 200, 200, 200},
      {"GET", "/", "", 200, 200, 200, 200, 200},
      {"GET", "/metrics", "", 401, 401, 200, 403, 403},
      {"GET", "/v1/models", "", 401, 401, 200, 200, 200},
      {"GET", "/v1/models/default", "", 401, 401, 200, 200, 200},
      {"POST", "/v1/embeddings", R"({"input": "a"})", 401, 401, 200, 200, 200},
      {"POST", "/v1/chat/completions", R"({"messages": [{"role": "user", "content": "Hi"}]})", 401,
       401, 200, 200, 200},
      {"GET", "/v1/users", "", 401, 401, 200, 200, 403},
      {"GET", "/v1/users/sam/settings", "", 401, 401, 200, 200, 200},
      {"PATCH", "/v1/users/sam/settings", R"({"tone": "formal"})", 401, 401, 200, 200, 200},
      {"GET", "/v1/users/kim/settings", "", 401, 401, 200, 200, 403},
      {"PATCH", "/v1/users/kim/settings", R"({"tone": "formal"})", 401, 401, 200, 200, 403},
      {"GET", "/v1/users/kim/facts", "", 401, 401, 200, 200, 403},
      {"POST", "/v1/users/kim/facts", R"({"text": "I like tea"})", 401, 401, 201, 201, 403},
      {"PATCH", "/v1/users/kim/facts/fact_1", R"({"text": "x"})", 401, 401, 404, 404, 403},
      {"DELETE", "/v1/users/kim/facts/fact_1", "", 401, 401, 404, 404, 403},
      {"GET", "/v1/conversations?user=sam", "", 401, 401, 200, 200, 200},
      {"GET", "/v1/conversations?user=kim", "", 401, 401, 200, 200, 403},
      {"GET", "/v1/conversations", "", 401, 401, 400, 400, 200},
      {"GET", kims_talk.c_str(), "", 401, 401, 404, 200, 403},
      {"GET", why_sam.c_str(), "", 401, 401, 200, 200, 200},
      {"GET", why_kim.c_str(), "", 401, 401, 200, 200, 404},
      {"POST", "/v1/feedback", rate_kim.c_str(), 401, 401, 201, 201, 404},
      {"GET", "/v1/jobs", "", 401, 401, 200, 403, 403},
      {"GET", "/v1/keys", "", 401, 401, 200, 403, 403},
      {"POST", "/v1/keys", R"({"label": "x"})", 401, 401, 201, 403, 403},
      {"DELETE", "/v1/keys/key_none", "", 401, 401, 404, 403, 403},
  };
  for (const AccessCase& c : cases) {
    const auto status = [&](const Headers& headers) {
      return http(server.port(), c.method, c.target, std::string_view(c.body), headers).status;
    };
    EXPECT_EQ(status({}), c.none) << c.method << c.target << " without key";
    EXPECT_EQ(status(bearer("rk_wrong")), c.wrong) << c.method << c.target << " with a wrong key";
    EXPECT_EQ(status(bearer(admin)), c.admin) << c.method << c.target << " as admin";
    EXPECT_EQ(status(bearer(kitchen)), c.kitchen) << c.method << c.target << " as kitchen";
    EXPECT_EQ(status({{"X-Api-Key", sam}}), c.sam) << c.method << c.target << " as sam";
  }
}

TEST_F(AccessTest, AnApplicationNeverReachesAnothers) {
  const std::string id = chat(bearer(kitchen), "sam").json()["id"];
  const std::string facts = "/v1/users/sam/facts", why = "/v1/responses/" + id + "/explanation";
  EXPECT_EQ(server.get(facts, bearer(kitchen)).json()["data"].size(), 1u);
  EXPECT_EQ(server.get(facts, bearer(garden)).json()["data"].size(), 0u) << "another's sam";
  EXPECT_EQ(server.get(why, bearer(garden)).status, 404);
  EXPECT_EQ(
      server.post("/v1/feedback", {{"response_id", id}, {"thumb", "up"}}, bearer(garden)).status,
      404);
  Headers crossing = bearer(garden);
  crossing.emplace_back("X-Rapport-App", "kitchen");
  EXPECT_EQ(server.get(facts, crossing).status, 403);
  EXPECT_EQ(server.get("/v1/users", crossing).status, 403);
  EXPECT_EQ(server.post("/v1/chat/completions", say("Hi"), crossing).status, 403);
  Headers as_admin = bearer(admin);
  EXPECT_EQ(server.get(facts, as_admin).json()["data"].size(), 0u) << "of app default";
  as_admin.emplace_back("X-Rapport-App", "kitchen");
  EXPECT_EQ(server.get(facts, as_admin).json()["data"].size(), 1u);
}

TEST_F(AccessTest, AnApplicationMayAskWhyAnAnswerWasGeneric) {
  Headers generic = bearer(kitchen);
  generic.emplace_back("X-Rapport-Degree", "0");
  const std::string id = chat(generic, "zoe").json()["id"];
  const Received why = server.get("/v1/responses/" + id + "/explanation", bearer(kitchen));
  EXPECT_EQ(why.status, 200) << why.body;
  EXPECT_EQ(why.json()["degree"], 0);
  const Received rated =
      server.post("/v1/feedback", {{"response_id", id}, {"thumb", "up"}}, bearer(kitchen));
  EXPECT_EQ(rated.status, 400);
  EXPECT_EQ(rated.error("param"), "response_id");
}

TEST_F(AccessTest, ABoundKeySpeaksForItsUserWhateverTheRequestSays) {
  Headers headers = bearer(sam);
  headers.emplace_back("X-Rapport-User", "kim");
  EXPECT_EQ(chat(headers, "kim").status, 200);
  EXPECT_EQ(server.get("/v1/users/sam/facts", bearer(kitchen)).json()["data"].size(), 1u);
  EXPECT_EQ(server.get("/v1/users/kim/facts", bearer(kitchen)).json()["data"].size(), 0u);
}

TEST_F(AccessTest, ARevokedKeyStopsAtOnce) {
  const Json made =
      server.post("/v1/keys", {{"label", "tmp"}, {"app", "kitchen"}}, bearer(admin)).json();
  const std::string secret = made["key"];
  EXPECT_EQ(server.get("/v1/models", bearer(secret)).status, 200);
  EXPECT_EQ(
      server.send("DELETE", "/v1/keys/" + made["id"].get<std::string>(), {}, bearer(admin)).status,
      200);
  const Received refused = server.get("/v1/models", bearer(secret));
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.error("type"), "authentication_error");
  EXPECT_EQ(refused.header("www-authenticate"), "Bearer");
}

TEST_F(AccessTest, ListsOfKeysNeverShowASecret) {
  const Received list = server.get("/v1/keys", bearer(admin));
  EXPECT_EQ(list.json()["data"].size(), 4u);
  for (const std::string& secret : {admin, kitchen, garden, sam})
    EXPECT_THAT(list.body, ::testing::Not(HasSubstr(secret.substr(3))));
  EXPECT_THAT(list.body, ::testing::Not(HasSubstr("digest")));
}

TEST(OpenServer, LoopbackNeedsNoKeyUntilThereIsOne) {
  TestServer server({"ok"}, {.key_cache_seconds = 0});
  EXPECT_EQ(server.get("/v1/users").status, 200);
  EXPECT_EQ(server.get("/v1/users", bearer("sk-anything")).status, 200);
  EXPECT_EQ(server.get("/v1/users", bearer("rk_wrong")).status, 401);
  server.key(KeyRole::kApp);
  EXPECT_EQ(server.get("/v1/users").status, 401);
}

TEST(OpenServer, AsksForKeysWhereItIsToldTo) {
  TestServer server({"ok"}, {.require_keys = true});
  const Received refused = server.get("/v1/models");
  EXPECT_EQ(refused.status, 401);
  EXPECT_THAT(refused.error("message"), HasSubstr("rapport keys create"));
}

TEST(OpenServer, AsksForKeysOnEveryOtherAddress) {
  TestServer server({"ok"}, {.listen = "0.0.0.0:0"});
  EXPECT_EQ(server.get("/v1/models").status, 401);
  EXPECT_EQ(server.get("/v1/models", bearer(server.key(KeyRole::kApp))).status, 200);
}

TEST(OpenServer, IsNotForOtherPagesInTheBrowser) {
  TestServer server({"ok"});
  const std::string here = "127.0.0.1:" + std::to_string(server.port());
  EXPECT_EQ(server.get("/v1/users", {{"Host", "evil.example"}}).status, 403);
  EXPECT_EQ(server.get("/v1/users", {{"Origin", "https://evil.example"}}).status, 403);
  EXPECT_EQ(server.post("/v1/keys", {{"label", "x"}}, {{"Origin", "https://evil.example"}}).status,
            403);
  EXPECT_EQ(server.get("/v1/users", {{"Host", here}, {"Origin", "http://" + here}}).status, 200);
}

TEST(Cors, IsOffUntilAnOriginIsNamed) {
  const Headers preflight = {{"Origin", "https://app.example.com"},
                             {"Access-Control-Request-Method", "POST"},
                             {"Access-Control-Request-Headers", "authorization"}};
  const Headers page = {{"Origin", "https://app.example.com"}};
  {
    TestServer off({"ok"});
    EXPECT_EQ(off.send("OPTIONS", "/v1/models", {}, preflight).status, 403);
    EXPECT_EQ(off.get("/healthz", page).header("access-control-allow-origin"), "");
  }
  TestServer on({"ok"}, {.cors_origins = {"https://app.example.com"}});
  const Received allowed = on.send("OPTIONS", "/v1/models", {}, preflight);
  EXPECT_EQ(allowed.status, 204);
  EXPECT_EQ(allowed.header("access-control-allow-origin"), "https://app.example.com");
  EXPECT_EQ(allowed.header("access-control-allow-headers"), "authorization");
  EXPECT_EQ(on.get("/v1/models", page).header("access-control-allow-origin"),
            "https://app.example.com");
  EXPECT_EQ(on.get("/nowhere", page).header("access-control-allow-origin"),
            "https://app.example.com")
      << "a page may read errors too";
  Json body = say("Hi");
  body["stream"] = true;
  EXPECT_EQ(on.post("/v1/chat/completions", body, page).header("access-control-allow-origin"),
            "https://app.example.com");
}

TEST(Cors, EveryOriginNeedsKeys) {
  TestServer server({"ok"});
  const auto refused =
      server::Server::start({.listen = "127.0.0.1:0", .cors_origins = {"*"}}, server.services());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "server.cors_origins");
}

TEST(RateLimited, EachKeyHasARateOfItsOwn) {
  TestServer server({"ok"}, {.rate_per_minute = 0.001, .rate_burst = 2});
  const Headers one = bearer(server.key(KeyRole::kApp)), two = bearer(server.key(KeyRole::kApp));
  EXPECT_EQ(server.get("/v1/models", one).status, 200);
  EXPECT_EQ(server.get("/v1/models", one).status, 200);
  const Received refused = server.get("/v1/models", one);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.error("type"), "rate_limit_error");
  EXPECT_GE(std::stoi("0" + refused.header("retry-after")), 1);
  EXPECT_EQ(server.get("/v1/models", two).status, 200);
  EXPECT_EQ(server.get("/healthz", one).status, 200) << "probes are not counted";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(server.get("/v1/models", bearer("rk_guess")).status, 401);
  EXPECT_EQ(server.get("/v1/models", bearer("rk_guess2")).status, 429) << "guessing is slow";
}

TEST(Start, RefusesOptionsThatCannotBe) {
  TestServer server({"ok"});
  const auto start = [&](std::string listen) {
    return server::Server::start({.listen = std::move(listen)}, server.services());
  };
  for (const char* listen :
       {"8080", "localhost", "example.com:80", "127.0.0.1:99999", "::1:80", "[127.0.0.1]:80"})
    EXPECT_EQ(start(listen).error().param, "server.listen") << listen;
  const auto taken = start("127.0.0.1:" + std::to_string(server.port()));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace rapport::testing
