// A whole home: what is encrypted, and what becomes of one that was not.
#include "rapport/store/home_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "plain_text_codec.h"
#include "rapport/base/files.h"
#include "rapport/store/migrations.h"
#include "rapport/store/restore_backup.h"
#include "rapport/store/sealed_columns.h"
#include "rapport/store/sqlite_store.h"
#include "store_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::store {
namespace {

namespace fs = std::filesystem;
using sqlite::Access;
using sqlite::Connection;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kCanary = "xylophone-canary";

class HomeStoreTest : public ::testing::Test {
 protected:
  Result<HomeStore> open() { return HomeStore::open(home_, {}, clock_, random_); }
  /// As a Rapport before encryption leaves it: everything in clear.
  void make_plain_home(std::int64_t exchanges) {
    ASSERT_TRUE(ok(base::ensure_directory(keys_of(home_), 0700)));
    ASSERT_TRUE(ok(
        base::write_file_atomically(keys_of(home_) / "pseudonym.key", std::string(32, 'k'), 0600)));
    const std::string user = "u_" + std::string(26, 'a');
    // The digest that a ring of this pseudonym key has.
    const std::string index_key =
        "62f1076c8891329a7c523c84e34e404def12ed9d86b87b8eaf43e88e5f90eb47";
    const auto store =
        value_of(SqliteStore::open({.path = database_of(home_).string(), .index_key = index_key},
                                   std::make_shared<PlainTextCodec>(), clock_, random_));
    ASSERT_TRUE(ok(store->ensure_user(user, "default", kCanary)));
    for (std::int64_t n = 0; n < exchanges; ++n) {
      Exchange exchange = sample_exchange(user, "conv_1", n);
      exchange.turns[0].content = fmt::format("{} {}", kCanary, n);
      exchange.facts = {sample_fact(user, fmt::format("fact_{}", n))};
      exchange.facts[0].attribute = kCanary;
      ASSERT_TRUE(ok(store->record_exchange(exchange)));
    }
    ASSERT_TRUE(ok(store->add_key({.id = "key_1",
                                   .digest = "digest_1",
                                   .role = KeyRole::kUser,
                                   .user = "u_unknown_then",
                                   .user_name = kCanary})));
  }
  /// The plain database says nothing of having been sealed.
  void forget_mark() {
    const auto raw =
        value_of(Connection::open(database_of(home_).string(), Access::kReadWrite, 1'000));
    ASSERT_TRUE(ok(raw->execute("DELETE FROM meta WHERE name = 'sealed'")));
  }
  std::string bytes_on_disk() const {
    std::string bytes;
    for (const auto& file : fs::recursive_directory_iterator(home_)) {
      if (file.is_regular_file()) bytes += value_of(base::read_file(file.path()));
    }
    return bytes;
  }

  testing::TemporaryDirectory folder_;
  const fs::path home_ = folder_.path() / "home";
  base::ManualClock clock_;
  base::SystemRandom random_;
  const std::string user_ = "u_" + std::string(26, 'a');
};

TEST_F(HomeStoreTest, EveryColumnOfBytesIsSealed) {
  ASSERT_TRUE(ok(open()));
  const auto raw =
      value_of(Connection::open(database_of(home_).string(), Access::kReadOnly, 1'000));
  sqlite::Statement rows = *raw->prepare(
      "SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_info(t.name) c "
      "WHERE t.type = 'table' AND c.type = 'BLOB'");
  std::vector<std::string> stored = value_of(
      rows.all([](const sqlite::Statement& row) -> Result<std::string> { return row.text(0); }));
  std::vector<std::string> listed;
  for (const auto& table : sqlite::personal_tables()) {
    for (const auto column : table.sealed)
      listed.push_back(fmt::format("{}.{}", table.table, column));
  }
  EXPECT_THAT(listed, ::testing::UnorderedElementsAreArray(stored));
}

TEST_F(HomeStoreTest, APlainHomeIsEncryptedAtItsFirstOpeningAndNothingIsLost) {
  make_plain_home(3);
  forget_mark();
  ASSERT_THAT(bytes_on_disk(), HasSubstr(kCanary));
  for (int opening = 0; opening < 2; ++opening) {
    const auto home = open();
    ASSERT_TRUE(ok(home));
    EXPECT_THAT(bytes_on_disk(), Not(HasSubstr(kCanary)));
    Store& store = *home->store;
    EXPECT_EQ(value_of(store.user(user_)).name, kCanary);
    EXPECT_EQ(value_of(store.turns(user_, "conv_1", {})).size(), 6u);
    EXPECT_EQ(value_of(store.fact(user_, "fact_2")).attribute, kCanary);
    const ApiKey key = *value_of(store.key_by_digest("digest_1"));
    EXPECT_EQ(key.user_name, kCanary);
    EXPECT_EQ(key.user, home->keys.pseudonym("", kCanary)) << "keys know their user now";
    EXPECT_FALSE(fs::exists(keys_of(home_) / "pseudonym.key"));
  }
}

TEST_F(HomeStoreTest, WhatAKillLeavesOfAnEncryptionIsFinished) {
  make_plain_home(3);
  forget_mark();
  ASSERT_TRUE(ok(open()));
  // Sealed, and killed before the file was written anew.
  const auto raw =
      value_of(Connection::open(database_of(home_).string(), Access::kReadWrite, 1'000));
  ASSERT_TRUE(ok(raw->execute("UPDATE meta SET value = 'scrub' WHERE name = 'sealed'")));
  const auto home = open();
  ASSERT_TRUE(ok(home));
  EXPECT_EQ(value_of(home->store->user(user_)).name, kCanary);
  EXPECT_EQ(value_of(raw->text_of("SELECT value FROM meta WHERE name = 'sealed'")), "yes");
}

TEST_F(HomeStoreTest, KilledAtAnyMomentOfItsEncryptionAPlainHomeIsWhole) {
  make_plain_home(200);
  forget_mark();
  base::SeededRandom chance(7);
  for (int round = 0; round < 6; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      base::SystemRandom random;
      ::_exit(HomeStore::open(home_, {}, clock_, random) ? 0 : 1);
    }
    std::this_thread::sleep_for(
        std::chrono::microseconds(static_cast<std::int64_t>(chance.uniform() * 60'000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  const auto home = open();
  ASSERT_TRUE(ok(home));
  EXPECT_EQ(value_of(home->store->turns(user_, "conv_1", {1000, 0})).size(), 400u);
  EXPECT_EQ(value_of(home->store->turns(user_, "conv_1", {1, 398})).at(0).content,
            fmt::format("{} 199", kCanary));
  EXPECT_THAT(bytes_on_disk(), Not(HasSubstr(kCanary)));
}

TEST_F(HomeStoreTest, OpenedByManyAtOnceAPlainHomeIsEncryptedOnce) {
  make_plain_home(20);
  forget_mark();
  std::vector<Result<std::string>> names(4, fail(ErrorCode::kInternal, "not tried"));
  {
    std::vector<std::jthread> threads;
    for (auto& name : names) {
      threads.emplace_back([&] {
        name = open().and_then([&](const HomeStore& home) {
          return home.store->user(user_).map([](const User& user) { return user.name; });
        });
      });
    }
  }
  for (const auto& name : names) EXPECT_EQ(value_of(name), kCanary);
}

TEST_F(HomeStoreTest, APlainBackupIsEncryptedAndSoIsTheDatabaseThatItReplaced) {
  make_plain_home(2);
  forget_mark();
  const std::string backup = folder_.file("backup.db");
  fs::copy_file(database_of(home_), backup);
  ASSERT_TRUE(ok(restore_backup(backup, database_of(home_).string())));
  const auto home = open();
  ASSERT_TRUE(ok(home));
  seal_former_database(home_, home->keys, *home->user_keys, clock_, random_);
  ASSERT_TRUE(fs::exists(former_database_of(home_)));
  EXPECT_THAT(bytes_on_disk(), Not(HasSubstr(kCanary)));
}

TEST_F(HomeStoreTest, AHomeWithoutItsMasterKeyShowsNothing) {
  {
    const auto home = open();
    ASSERT_TRUE(ok(home));
    const UserId id = home->keys.pseudonym("default", "sam");
    ASSERT_TRUE(ok(home->store->ensure_user(id, "default", kCanary)));
    ASSERT_TRUE(ok(home->store->add_interactions({{.id = "act_1", .user = id, .item = kCanary}})));
  }
  fs::remove(keys_of(home_) / "master.key");
  EXPECT_TRUE(fails(open(), ErrorCode::kNotFound, "master.key"));
  EXPECT_THAT(bytes_on_disk(), Not(HasSubstr(kCanary)));
}

TEST_F(HomeStoreTest, AJobThatCannotBeReadFailsAndHoldsUpNoOther) {
  const auto home = open();
  ASSERT_TRUE(ok(home));
  ASSERT_TRUE(ok(home->store->enqueue(sample_job("job_1"))));
  ASSERT_TRUE(ok(home->store->enqueue(sample_job("job_2"))));
  const auto raw =
      value_of(Connection::open(database_of(home_).string(), Access::kReadWrite, 1'000));
  ASSERT_TRUE(ok(raw->execute("UPDATE jobs SET payload = x'01' WHERE id = 'job_1'")));
  const auto claimed = home->store->claim_job({"observe"}, std::chrono::seconds(60));
  ASSERT_TRUE(ok(claimed));
  EXPECT_EQ((*claimed)->id, "job_2");
  EXPECT_EQ(value_of(raw->text_of("SELECT status FROM jobs WHERE id = 'job_1'")), "failed");
}

TEST_F(HomeStoreTest, AHomeWhoseKeysAreMissingIsNotGivenNewOnes) {
  ASSERT_TRUE(ok(open()));
  fs::rename(keys_of(home_), folder_.path() / "away");
  EXPECT_TRUE(fails(open(), ErrorCode::kNotFound, "put the keys back"));
  EXPECT_FALSE(fs::exists(keys_of(home_)));
  fs::rename(folder_.path() / "away", keys_of(home_));
  EXPECT_TRUE(ok(open()));
}

TEST_F(HomeStoreTest, AUserWhoseNameCannotBeReadIsListedWithoutIt) {
  const auto home = open();
  ASSERT_TRUE(ok(home));
  ASSERT_TRUE(ok(home->store->ensure_user("u_1", "default", "sam")));
  ASSERT_TRUE(ok(home->store->ensure_user("u_2", "default", "kim")));
  const auto raw =
      value_of(Connection::open(database_of(home_).string(), Access::kReadWrite, 1'000));
  ASSERT_TRUE(ok(raw->execute("UPDATE users SET name = x'01' WHERE id = 'u_1'")));
  std::vector<std::string> names;
  for (const User& user : value_of(home->store->users("", {}))) names.push_back(user.name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("", "kim"));
  EXPECT_TRUE(fails(home->store->user("u_1"), ErrorCode::kCorrupt, "users.name of u_1"));
}

}  // namespace
}  // namespace rapport::store
