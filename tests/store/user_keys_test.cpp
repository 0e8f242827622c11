// Users' own keys, what is sealed with them, and their destruction.
#include "rapport/store/user_keys.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <thread>

#include "rapport/base/files.h"
#include "rapport/store/encrypting_codec.h"
#include "store_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::store {
namespace {

using sqlite::Access;
using sqlite::Connection;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class UserKeysTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<UserKeys>> open(UserKeysOptions options = {}) {
    return UserKeys::open(path_, *ring_, clock_, random_, options);
  }
  std::string key(UserKeys& keys, const std::string& user) {
    return std::string(value_of(keys.to_seal(user)).bytes());
  }
  std::string bytes_on_disk() const {
    std::string bytes;
    for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
      if (file.path().string().find("users.db") == std::string::npos) continue;
      bytes += value_of(base::read_file(file.path()));
    }
    return bytes;
  }
  std::string wrapped(const std::string& user) {
    const auto raw = value_of(Connection::open(path_, Access::kReadOnly, 1'000));
    return value_of(raw->text_of("SELECT wrapped FROM keys WHERE user = '" + user + "'"));
  }
  void change(const std::string& sql) {
    const auto raw = value_of(Connection::open(path_, Access::kReadWrite, 1'000));
    ASSERT_TRUE(ok(raw->execute(sql)));
  }

  testing::TemporaryDirectory folder_;
  const std::string path_ = folder_.file("users.db");
  base::ManualClock clock_;
  base::SystemRandom random_;
  const std::optional<KeyRing> ring_ = *KeyRing::open(folder_.path() / "keys", random_);
};

TEST_F(UserKeysTest, EachUserHasAKeyOfTheirOwnThatLasts) {
  std::set<std::string> made;
  {
    const auto keys = value_of(open());
    for (const char* user : {"u_1", "u_2", ""}) made.insert(key(*keys, user));
    EXPECT_EQ(made.size(), 3u);
    EXPECT_EQ(value_of(keys->count()), 2) << "nobody in particular is no user";
  }
  const auto keys = value_of(open());
  for (const char* user : {"u_1", "u_2", ""}) {
    EXPECT_TRUE(made.contains(std::string(value_of(keys->to_open(user)).bytes())));
  }
  EXPECT_TRUE(fails(keys->to_open("u_3"), ErrorCode::kNotFound, "u_3"));
}

TEST_F(UserKeysTest, TheFileIsItsOwnersOnlyAndShowsNoKey) {
  const auto keys = value_of(open());
  const std::string secret = key(*keys, "u_1");
  EXPECT_THAT(bytes_on_disk(), HasSubstr("u_1"));
  EXPECT_THAT(bytes_on_disk(), Not(HasSubstr(secret)));
  struct stat status = {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  ::chmod(path_.c_str(), 0644);
  EXPECT_TRUE(fails(open(), ErrorCode::kPermissionDenied, "chmod 600"));
}

TEST_F(UserKeysTest, MoreUsersThanAreCachedKeepTheirKeys) {
  std::vector<std::string> made;
  const auto keys = value_of(open({.cached = 3}));
  for (int i = 0; i < 10; ++i) made.push_back(key(*keys, "u_" + std::to_string(i)));
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 10; ++i) EXPECT_EQ(key(*keys, "u_" + std::to_string(i)), made[i]);
  }
}

TEST_F(UserKeysTest, ThreadsAndProcessesGetTheSameKey) {
  std::vector<std::string> made(8);
  {
    const auto server = value_of(open()), command = value_of(open());
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < made.size(); ++i) {
      threads.emplace_back([&, i] { made[i] = key(i % 2 == 0 ? *server : *command, "u_1"); });
    }
  }
  EXPECT_EQ(std::set<std::string>(made.begin(), made.end()).size(), 1u);
}

TEST_F(UserKeysTest, AnotherRingsFileAndAnotherProgramsAreRefused) {
  value_of(open());
  const KeyRing other = *KeyRing::open(folder_.path() / "other", random_);
  EXPECT_TRUE(fails(UserKeys::open(path_, other, clock_, random_), ErrorCode::kCorrupt,
                    "another keyring.json"));
  change("PRAGMA user_version = 9");
  EXPECT_TRUE(fails(open(), ErrorCode::kUnsupported, "newer Rapport"));
  change("PRAGMA application_id = 7");
  EXPECT_TRUE(fails(open(), ErrorCode::kInvalidArgument, "another program"));
}

TEST_F(UserKeysTest, AChangedKeyIsToldWhenItIsUsedAndHurtsNobodyElse) {
  {
    const auto keys = value_of(open());
    key(*keys, "u_1");
    key(*keys, "u_2");
  }
  // Another user's key in one's place, too.
  change(
      "UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE user = 'u_2') "
      "WHERE user = 'u_1'");
  const auto keys = value_of(open());
  EXPECT_TRUE(fails(keys->to_open("u_1"), ErrorCode::kCorrupt, "u_1"));
  EXPECT_TRUE(fails(keys->to_seal("u_1"), ErrorCode::kCorrupt, "u_1"));
  EXPECT_TRUE(ok(keys->to_open("u_2")));
}

TEST_F(UserKeysTest, ADestroyedKeyIsGoneFromMemoryAndFromTheFiles) {
  const auto keys = value_of(open());
  key(*keys, "u_1");
  const std::string kept = key(*keys, "u_2"), on_disk = wrapped("u_1");
  ASSERT_THAT(bytes_on_disk(), HasSubstr(on_disk));
  const ErasureRecord erasure = value_of(keys->begin_erasure("u_1"));
  EXPECT_THAT(bytes_on_disk(), Not(HasSubstr(on_disk)));
  EXPECT_TRUE(fails(keys->to_open("u_1"), ErrorCode::kNotFound));
  EXPECT_EQ(key(*keys, "u_2"), kept);
  EXPECT_EQ(value_of(keys->begin_erasure("u_1")).id, erasure.id) << "it goes on";
}

TEST_F(UserKeysTest, NoKeyIsMadeOfAUserWhoIsBeingErasedAndANewOneAfterwards) {
  const auto keys = value_of(open());
  const std::string before = key(*keys, "u_1");
  const ErasureRecord erasure = value_of(keys->begin_erasure("u_1"));
  const auto refused = keys->to_seal("u_1");
  EXPECT_TRUE(fails(refused, ErrorCode::kUnavailable, "being erased"));
  EXPECT_TRUE(refused.error().retry_after);
  EXPECT_TRUE(ok(keys->finish_erasure(
      erasure.seq, [](const std::string&) -> Result<std::string> { return std::string("{}"); })));
  EXPECT_NE(key(*keys, "u_1"), before);
}

TEST_F(UserKeysTest, AnotherProcessNoticesThatAKeyWasDestroyed) {
  const auto server = value_of(open()), command = value_of(open());
  const std::string before = key(*server, "u_1");
  EXPECT_THAT(value_of(server->refresh()), IsEmpty());
  const auto erasure = value_of(command->begin_erasure("u_1"));
  EXPECT_THAT(value_of(server->refresh()), ElementsAre("u_1"));
  EXPECT_THAT(value_of(server->refresh()), IsEmpty());
  EXPECT_FALSE(server->to_seal("u_1"));
  ASSERT_TRUE(ok(command->finish_erasure(
      erasure.seq, [](const std::string&) -> Result<std::string> { return std::string("{}"); })));
  EXPECT_NE(key(*server, "u_1"), before);
}

TEST_F(UserKeysTest, ReceiptsFormAChainInTheOrderInWhichTheyWereFinished) {
  const auto keys = value_of(open());
  std::vector<ErasureRecord> begun;
  for (const char* user : {"u_1", "u_2", "u_3"}) {
    begun.push_back(value_of(keys->begin_erasure(user)));
  }
  std::vector<std::string> before;
  for (const std::size_t at : {2u, 0u, 1u}) {
    const auto receipt_of = [&](const std::string& last) -> Result<std::string> {
      before.push_back(last);
      return "receipt of " + begun[at].user;
    };
    EXPECT_EQ(value_of(keys->finish_erasure(begun[at].seq, receipt_of)),
              "receipt of " + begun[at].user);
    EXPECT_TRUE(ok(keys->finish_erasure(begun[at].seq, receipt_of))) << "it is finished once";
  }
  EXPECT_THAT(before, ElementsAre("", "receipt of u_3", "receipt of u_1"));
  EXPECT_EQ(value_of(keys->erasure(begun[0].id)).receipt, "receipt of u_1");
  EXPECT_EQ(value_of(keys->erasures(begun[0].seq)).size(), 2u);
  EXPECT_TRUE(fails(keys->erasure("erasure_x"), ErrorCode::kNotFound, "erasure_x"));
}

class EncryptingCodecTest : public UserKeysTest {
 protected:
  const std::unique_ptr<UserKeys> keys_ = *open();
  const EncryptingCodec codec_{*keys_, random_};
  const FieldPlace place_{"u_1", "turns", "turn_1", "content"};
};

TEST_F(EncryptingCodecTest, ATextComesBackAndIsSealedDifferentlyEachTime) {
  for (const std::string& text : {std::string("x"), std::string(100'000, 'y'), std::string(3, 0)}) {
    const std::string sealed = value_of(codec_.seal(place_, text));
    EXPECT_EQ(value_of(codec_.open(place_, sealed)), text);
    EXPECT_NE(value_of(codec_.seal(place_, text)), sealed);
    EXPECT_EQ(sealed.size(), text.size() + 41);
  }
}

TEST_F(EncryptingCodecTest, ATextOpensOnlyInItsPlaceAndTheErrorNamesIt) {
  const std::string sealed = value_of(codec_.seal(place_, "secret"));
  ASSERT_TRUE(ok(codec_.seal({"u_2", "turns", "turn_1", "content"}, "another user's")));
  for (const FieldPlace& other : {FieldPlace{"u_2", "turns", "turn_1", "content"},
                                  FieldPlace{"", "turns", "turn_1", "content"},
                                  FieldPlace{"u_1", "turn", "sturn_1", "content"},
                                  FieldPlace{"u_1", "turns", "turn_2", "content"},
                                  FieldPlace{"u_1", "turns", "turn_1", "name"}}) {
    EXPECT_TRUE(fails(codec_.open(other, sealed), ErrorCode::kCorrupt, other.row));
  }
  EXPECT_TRUE(fails(codec_.open(place_, sealed.substr(0, 20)), ErrorCode::kCorrupt,
                    "turns.content of turn_1"));
  EXPECT_TRUE(fails(codec_.open(place_, ""), ErrorCode::kCorrupt, "turn_1"));
}

TEST_F(EncryptingCodecTest, EveryFlippedBitIsNoticed) {
  const std::string sealed = value_of(codec_.seal(place_, "secret"));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string flipped = sealed;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(fails(codec_.open(place_, flipped), ErrorCode::kCorrupt)) << "bit " << bit;
  }
}

TEST_F(EncryptingCodecTest, WhatAnErasedUsersKeySealedIsLostAndSaysSo) {
  const std::string sealed = value_of(codec_.seal(place_, "secret"));
  ASSERT_TRUE(ok(keys_->begin_erasure("u_1")));
  EXPECT_TRUE(fails(codec_.open(place_, sealed), ErrorCode::kCorrupt, "erased"));
}

TEST_F(EncryptingCodecTest, AKeyThatAnotherProcessMadeAnewIsReadAnew) {
  const std::string old = value_of(codec_.seal(place_, "old"));
  const auto command = value_of(open());
  const auto erasure = value_of(command->begin_erasure("u_1"));
  ASSERT_TRUE(ok(command->finish_erasure(
      erasure.seq, [](const std::string&) -> Result<std::string> { return std::string("{}"); })));
  const EncryptingCodec other(*command, random_);
  const std::string fresh = value_of(other.seal(place_, "new"));
  EXPECT_EQ(value_of(codec_.open(place_, fresh)), "new");
  EXPECT_TRUE(fails(codec_.open(place_, old), ErrorCode::kCorrupt));
  // And nothing is sealed with the key that was destroyed.
  ASSERT_TRUE(ok(codec_.begin_writing()));
  EXPECT_EQ(value_of(other.open(place_, value_of(codec_.seal(place_, "newer")))), "newer");
}

}  // namespace
}  // namespace rapport::store
