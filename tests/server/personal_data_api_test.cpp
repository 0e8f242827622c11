// A user takes all along, brings it back, is erased; over HTTP, by the role of the key.
#include <gmock/gmock.h>

#include "api_fixture.h"
#include "rapport/base/zip.h"

namespace rapport::testing {
namespace {

using store::KeyRole;
using ::testing::HasSubstr;

class PersonalDataApiTest : public ApiTest {
 protected:
  void talk(const std::string& user) {
    EXPECT_EQ(server.chat(user, "I'm vegetarian, by the way.").status, 200);
  }
  std::string archive(const std::string& user) {
    const Received received = server.get("/v1/users/" + user + "/export");
    EXPECT_EQ(received.status, 200) << received.body;
    EXPECT_EQ(received.header("content-type"), "application/zip");
    return received.body;
  }
  Received import(const std::string& user, const std::string& query, const std::string& body,
                  const Headers& headers = {}) {
    return http(server.port(), "POST", "/v1/users/" + user + "/import" + query,
                std::string_view(body), headers);
  }
};

TEST_F(PersonalDataApiTest, AnErasureAnswersWithItsReceiptWhichIsKept) {
  talk("sam");
  const Json receipt = ask("DELETE", "/v1/users/{id}", "/v1/users/sam", 200);
  EXPECT_EQ(receipt["erased"]["facts"], 1);
  EXPECT_EQ(ask("GET", "/v1/users/{id}/facts", "/v1/users/sam/facts", 200)["data"], Json::array());
  EXPECT_EQ(ask("GET", "/v1/users", "/v1/users", 200)["data"], Json::array());
  const std::string id = receipt["id"];
  EXPECT_EQ(ask("GET", "/v1/erasures/{id}", "/v1/erasures/" + id, 200), receipt);
  ask("GET", "/v1/erasures/{id}", "/v1/erasures/erasure_x", 404);
  ask("DELETE", "/v1/users/{id}", "/v1/users/sam", 404);
}

TEST_F(PersonalDataApiTest, ExportedErasedAndImportedAllIsThereAgain) {
  talk("sam");
  const Json facts = ask("GET", "/v1/users/{id}/facts", "/v1/users/sam/facts", 200);
  const Json talks = ask("GET", "/v1/conversations", "/v1/conversations?user=sam", 200);
  const std::string zip = archive("sam");
  EXPECT_TRUE(base::is_zip(zip));
  EXPECT_EQ(import("sam", "", zip).status, 409);
  ask("DELETE", "/v1/users/{id}", "/v1/users/sam", 200);
  const Received imported = import("sam", "", zip);
  ASSERT_EQ(imported.status, 201) << imported.body;
  EXPECT_EQ(imported.json()["imported"]["facts"], 1);
  EXPECT_EQ(ask("GET", "/v1/users/{id}/facts", "/v1/users/sam/facts", 200), facts);
  EXPECT_EQ(ask("GET", "/v1/conversations", "/v1/conversations?user=sam", 200), talks);
  EXPECT_EQ(import("kim", "", zip.substr(0, 300)).status, 400);
  EXPECT_EQ(server.get("/v1/users/nobody/export").status, 404);
}

TEST_F(PersonalDataApiTest, ConversationsFromElsewhereAreAdded) {
  const std::string file =
      R"([{"uuid": "c", "name": "Travel", "chat_messages": [
           {"uuid": "m", "sender": "human", "text": "I live in Oslo."}]}])";
  for (const int turns : {1, 0}) {
    const Received imported = import("sam", "?format=claude", file);
    ASSERT_EQ(imported.status, 201) << imported.body;
    EXPECT_EQ(imported.json()["imported"]["turns"], turns);
  }
  const Received unknown = import("sam", "?format=telegram", file);
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(param(unknown.json()), "\"format\"");
}

TEST_F(PersonalDataApiTest, AKeyOfAUserReachesNobodyElseAndGoesWithItsUser) {
  const std::string admin = server.key(KeyRole::kAdmin), app = server.key(KeyRole::kApp);
  const std::string sam = server.key(KeyRole::kUser, "default", "sam");
  const std::string kitchen = server.key(KeyRole::kApp, "kitchen");
  ASSERT_EQ(server.post("/v1/chat/completions", say("I live in Oslo."), bearer(sam)).status, 200);
  Json kims = say("I live in Rome.");
  kims["user"] = "kim";
  ASSERT_EQ(server.post("/v1/chat/completions", kims, bearer(app)).status, 200);

  EXPECT_EQ(server.get("/v1/users/kim/export", bearer(sam)).status, 403);
  EXPECT_EQ(import("kim", "?format=claude", "[]", bearer(sam)).status, 403);
  EXPECT_EQ(server.send("DELETE", "/v1/users/kim", {}, bearer(sam)).status, 403);
  EXPECT_EQ(server.send("DELETE", "/v1/users/kim", {}, bearer(kitchen)).status, 404)
      << "another application's kim";
  EXPECT_EQ(server.send("DELETE", "/v1/users/kim", {}).status, 401);
  EXPECT_EQ(server.get("/v1/users/sam/export", bearer(sam)).status, 200);

  const Received erased = server.send("DELETE", "/v1/users/sam", {}, bearer(sam));
  ASSERT_EQ(erased.status, 200) << erased.body;
  EXPECT_EQ(erased.json()["erased"]["api keys"], 1);
  EXPECT_EQ(server.get("/v1/users/sam/export", bearer(sam)).status, 401) << "the key is gone";
  const std::string receipt = "/v1/erasures/" + erased.json()["id"].get<std::string>();
  EXPECT_EQ(server.get(receipt, bearer(admin)).status, 200);
  EXPECT_EQ(server.get("/v1/users/kim/facts", bearer(app)).json()["data"].size(), 1u);
}

}  // namespace
}  // namespace rapport::testing
