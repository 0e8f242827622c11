#include "rapport/server/authentication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/base/digest.h"
#include "rapport/store/home_store.h"
#include "testing/temporary_directory.h"

namespace rapport::server {
namespace {

using store::KeyRole;
using ::testing::HasSubstr;
using ::testing::Not;

class AuthenticationTest : public ::testing::Test {
 protected:
  AuthenticationTest() {
    home.emplace(*store::HomeStore::open(directory.path(), {}, clock, random));
    store = home->store.get();
  }

  std::string key(KeyRole role, const std::string& user = "") {
    return create_key(*store, home->keys, random, clock, "label", "kitchen", role, user)->secret;
  }

  rapport::testing::TemporaryDirectory directory;
  base::ManualClock clock;
  base::SeededRandom random{1};
  std::optional<store::HomeStore> home;
  store::Store* store = nullptr;
};

TEST_F(AuthenticationTest, LoopbackIsOpenUntilTheFirstKeyExists) {
  Authentication door({.loopback = true}, *store, clock);
  EXPECT_FALSE(door.recall("")) << "nothing is known yet";
  const auto admin = door.look_up("");
  ASSERT_TRUE(admin);
  EXPECT_EQ(admin->role, KeyRole::kAdmin);
  EXPECT_EQ(admin->app, "default");
  EXPECT_TRUE(door.recall("sk-whatever")->has_value()) << "SDKs insist on some key";
  EXPECT_EQ(door.look_up("rk_wrong").error().code, ErrorCode::kUnauthenticated)
      << "one of ours is checked all the same";

  const std::string secret = key(KeyRole::kApp);
  door.forget_all();
  EXPECT_FALSE(door.recall(""));
  EXPECT_EQ(door.look_up("").error().reason, "missing_api_key");
  EXPECT_EQ(door.look_up("sk-whatever").error().reason, "invalid_api_key");
  EXPECT_EQ(door.look_up(secret)->app, "kitchen");
}

TEST_F(AuthenticationTest, KeysAreAskedForElsewhereOrWhenRequired) {
  for (const AuthenticationOptions options :
       {AuthenticationOptions{.loopback = false}, AuthenticationOptions{.require_keys = true}}) {
    Authentication door(options, *store, clock);
    EXPECT_FALSE(door.look_up(""));
    ASSERT_TRUE(door.recall("")) << "known without the store";
    EXPECT_THAT(door.recall("")->error().message, HasSubstr("rapport keys create"));
  }
}

TEST_F(AuthenticationTest, AKeySaysWhoItIs) {
  Authentication door({}, *store, clock);
  const std::string secret = key(KeyRole::kUser, "sam");
  EXPECT_FALSE(door.recall(secret));
  const auto principal = door.look_up(secret);
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->role, KeyRole::kUser);
  EXPECT_EQ(principal->bound_user, "sam");
  EXPECT_THAT(principal->key_id, HasSubstr("key_"));
  ASSERT_TRUE(door.recall(secret)) << "from memory now";
  EXPECT_EQ((*door.recall(secret))->bound_user, "sam");
}

TEST_F(AuthenticationTest, ARevokedKeyStopsAtOnceHereAndSoonElsewhere) {
  Authentication here({.cache_time = std::chrono::seconds(5)}, *store, clock);
  Authentication elsewhere({.cache_time = std::chrono::seconds(5)}, *store, clock);
  const std::string secret = key(KeyRole::kApp);
  const std::string id = here.look_up(secret)->key_id;
  EXPECT_TRUE(elsewhere.look_up(secret));
  ASSERT_TRUE(store->revoke_key(id));
  here.forget_all();
  EXPECT_FALSE(here.recall(secret));
  EXPECT_FALSE(here.look_up(secret));
  EXPECT_TRUE(elsewhere.recall(secret)) << "remembered for 5 s";
  clock.advance(std::chrono::seconds(5));
  EXPECT_FALSE(elsewhere.recall(secret));
  EXPECT_EQ(elsewhere.look_up(secret).error().code, ErrorCode::kUnauthenticated);
}

TEST_F(AuthenticationTest, RevokingTheLastKeyDoesNotOpenTheDoor) {
  Authentication before({}, *store, clock);
  EXPECT_TRUE(before.look_up("")) << "no key was ever made";
  const std::string secret = key(KeyRole::kApp);
  ASSERT_TRUE(store->revoke_key(store->keys()->at(0).id));
  Authentication after({}, *store, clock);
  EXPECT_FALSE(after.look_up(secret));
  EXPECT_EQ(after.look_up("").error().reason, "missing_api_key");
}

TEST_F(AuthenticationTest, OnlyADigestOfTheSecretIsKept) {
  const std::string secret = key(KeyRole::kApp);
  EXPECT_THAT(secret, ::testing::StartsWith("rk_"));
  const store::ApiKey stored = store->keys()->at(0);
  EXPECT_EQ(stored.digest, base::digest(secret));
  EXPECT_THAT(stored.id + stored.digest + stored.label, Not(HasSubstr(secret.substr(3))));
}

TEST_F(AuthenticationTest, RefusesKeysThatMakeNoSense) {
  const auto param = [&](const std::string& label, const std::string& app, KeyRole role,
                         const std::string& user) {
    const auto created = create_key(*store, home->keys, random, clock, label, app, role, user);
    return created ? std::string("made") : created.error().param;
  };
  EXPECT_EQ(param("l", "", KeyRole::kApp, ""), "app");
  EXPECT_EQ(param("l", "a", KeyRole::kUser, ""), "user");
  EXPECT_EQ(param("l", "a", KeyRole::kApp, "sam"), "user");
  EXPECT_EQ(param("l", "a", KeyRole::kAdmin, "sam"), "user");
  EXPECT_EQ(param(std::string(201, 'l'), "a", KeyRole::kApp, ""), "label");
  EXPECT_EQ(param("\xff", "a", KeyRole::kApp, ""), "label");
  EXPECT_TRUE(store->keys()->empty());
}

TEST(PresentedSecret, ComesAsBearerOrAsXApiKey) {
  const auto secret = [](std::map<std::string, std::string> headers) {
    return presented_secret({.headers = std::move(headers)});
  };
  EXPECT_EQ(secret({{"authorization", "Bearer rk_1"}}), "rk_1");
  EXPECT_EQ(secret({{"authorization", "bearer  rk_1 "}}), "rk_1");
  EXPECT_EQ(secret({{"x-api-key", "rk_2"}}), "rk_2");
  EXPECT_EQ(secret({{"authorization", "Bearer rk_1"}, {"x-api-key", "rk_2"}}), "rk_1");
  EXPECT_EQ(secret({{"authorization", "Basic abc"}}), "");
  EXPECT_EQ(secret({}), "");
}

}  // namespace
}  // namespace rapport::server
