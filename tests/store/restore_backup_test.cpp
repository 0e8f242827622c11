#include "rapport/store/restore_backup.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "plain_text_codec.h"
#include "rapport/base/files.h"
#include "rapport/store/migrations.h"
#include "rapport/store/sqlite_store.h"
#include "store_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::store {
namespace {

namespace fs = std::filesystem;
using sqlite::Access;
using sqlite::Connection;

class RestoreBackupTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> open(const std::string& path) {
    return value_of(SqliteStore::open({.path = path, .index_key = std::string(32, 'k')},
                                      std::make_shared<PlainTextCodec>(), clock_, random_));
  }
  /// A database with these users, closed; a backup of it beside it.
  void fill(const std::string& path, std::initializer_list<const char*> names) {
    const auto store = open(path);
    for (const char* name : names) {
      ASSERT_TRUE(ok(store->ensure_user(std::string("u_") + name, "default", name)));
    }
  }
  void back_up(const std::string& from, const std::string& to) {
    ASSERT_TRUE(ok(open(from)->backup(to)));
  }
  std::vector<std::string> users(const std::string& path) {
    auto list = ids(value_of(open(path)->users("", {})));
    std::sort(list.begin(), list.end());
    return list;
  }
  void execute(const std::string& path, const std::string& sql) {
    const auto connection = value_of(Connection::open(path, Access::kReadWrite, 1'000));
    ASSERT_TRUE(ok(connection->execute(sql)));
  }
  /// Files beside those that a restore may leave.
  std::vector<std::string> leftovers() {
    std::vector<std::string> names;
    for (const auto& file : fs::directory_iterator(folder_.path())) {
      const std::string name = file.path().filename();
      if (name.ends_with("-wal") || name.ends_with("-shm") || name.find(".new_") != name.npos ||
          name.find(".restoring") != name.npos) {
        names.push_back(name);
      }
    }
    return names;
  }

  testing::TemporaryDirectory folder_;
  const std::string database_ = folder_.file("rapport.db");
  const std::string backup_ = folder_.file("backup.db");
  const std::string kept_ = database_ + ".before-restore";
  base::ManualClock clock_;
  base::SeededRandom random_{7};
};

using Names = std::vector<std::string>;

TEST_F(RestoreBackupTest, ABackupIsOnePrivateFile) {
  fill(database_, {"sam"});
  back_up(database_, backup_);
  struct stat status = {};
  ASSERT_EQ(::stat(backup_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(leftovers(), Names{});
  EXPECT_EQ(users(backup_), Names{"u_sam"});
}

TEST_F(RestoreBackupTest, ABackupIsConsistentWhileOthersWrite) {
  const auto store = open(database_);
  ASSERT_TRUE(ok(store->ensure_user("u_1", "default", "sam")));
  std::atomic<bool> enough = false;
  std::atomic<std::int64_t> written = 0;
  std::jthread writer([&] {
    for (std::int64_t n = 0; !enough; ++n) {
      if (!store->record_exchange(sample_exchange("u_1", "conv_1", n))) return;
      written = n + 1;
    }
  });
  for (int i = 0; i < 3; ++i) {
    while (written < 20 * (i + 1)) std::this_thread::yield();
    const std::int64_t before = written;
    const std::string path = folder_.file(fmt::format("backup{}.db", i));
    ASSERT_TRUE(ok(store->backup(path)));

    const auto copy = open(path);
    const auto conversation = value_of(copy->conversation("u_1", "conv_1"));
    EXPECT_GE(conversation.turns, 2 * before);
    const std::int64_t last = conversation.turns / 2 - 1;
    EXPECT_EQ(value_of(copy->turns("u_1", "conv_1", {.limit = 2, .offset = 2 * last})).size(), 2u);
    EXPECT_TRUE(ok(copy->trace(fmt::format("resp_{}", last))));
    EXPECT_FALSE(copy->trace(fmt::format("resp_{}", last + 1)));
  }
  enough = true;
}

TEST_F(RestoreBackupTest, TheBackupTakesThePlaceAndTheOldDatabaseIsKept) {
  fill(database_, {"sam"});
  back_up(database_, backup_);
  fill(database_, {"kim"});
  ASSERT_TRUE(ok(restore_backup(backup_, database_)));
  EXPECT_EQ(leftovers(), Names{});
  EXPECT_EQ(users(database_), Names{"u_sam"});
  EXPECT_EQ(users(kept_), (Names{"u_kim", "u_sam"}));
  EXPECT_EQ(users(backup_), Names{"u_sam"});

  // A second restore keeps the one before it.
  ASSERT_TRUE(ok(restore_backup(kept_, database_)));
  EXPECT_EQ(users(database_), (Names{"u_kim", "u_sam"}));
  EXPECT_EQ(users(kept_), Names{"u_sam"});
}

TEST_F(RestoreBackupTest, AnEmptyHomeIsFilled) {
  fill(database_, {"sam"});
  back_up(database_, backup_);
  const std::string elsewhere = folder_.file("other.db");
  ASSERT_TRUE(ok(restore_backup(backup_, elsewhere)));
  EXPECT_FALSE(fs::exists(elsewhere + ".before-restore"));
  EXPECT_EQ(users(elsewhere), Names{"u_sam"});
}

TEST_F(RestoreBackupTest, ALogThatAKilledServerLeftIsPartOfWhatIsKept) {
  fill(database_, {"sam"});
  back_up(database_, backup_);
  {
    // As a killed process leaves it: committed, and only in the log.
    const auto server = open(database_);
    ASSERT_TRUE(ok(server->ensure_user("u_kim", "default", "kim")));
    const std::string crashed = folder_.file("crashed.db");
    fs::copy_file(database_, crashed);
    fs::copy_file(database_ + "-wal", crashed + "-wal");
  }
  const std::string crashed = folder_.file("crashed.db");
  ASSERT_TRUE(ok(restore_backup(backup_, crashed)));
  EXPECT_EQ(users(crashed), Names{"u_sam"});
  EXPECT_EQ(users(crashed + ".before-restore"), (Names{"u_kim", "u_sam"}));
}

TEST_F(RestoreBackupTest, ADamagedDatabaseIsReplacedAndKeptWithItsLog) {
  fill(database_, {"sam"});
  back_up(database_, backup_);
  const std::string scribble(5'000, 's');
  ASSERT_TRUE(ok(base::write_file_atomically(database_, scribble)));
  ASSERT_TRUE(ok(base::write_file_atomically(database_ + "-wal", "half a log")));
  ASSERT_TRUE(ok(restore_backup(backup_, database_)));
  EXPECT_EQ(users(database_), Names{"u_sam"});
  EXPECT_EQ(value_of(base::read_file(kept_)), scribble);
  EXPECT_EQ(value_of(base::read_file(kept_ + "-wal")), "half a log");
}

TEST_F(RestoreBackupTest, ABackupOfAnOlderSchemaIsBroughtUpToDateWhenOpened) {
  ASSERT_TRUE(ok(base::write_file_atomically(backup_, "", 0600)));
  {
    const auto old = value_of(Connection::open(backup_, Access::kReadWrite, 1'000));
    ASSERT_TRUE(ok(sqlite::migrate(*old, sqlite::migrations().first(1))));
    ASSERT_TRUE(ok(old->execute("INSERT INTO users VALUES ('u_old', 'default', x'', 1, 1)")));
  }
  ASSERT_TRUE(ok(restore_backup(backup_, database_)));
  EXPECT_EQ(users(database_), Names{"u_old"});
}

TEST_F(RestoreBackupTest, ADatabaseInUseIsNotReplaced) {
  fill(database_, {"sam"});
  back_up(database_, backup_);
  const auto server = open(database_);
  ASSERT_TRUE(ok(server->ensure_user("u_kim", "default", "kim")));
  EXPECT_TRUE(fails(restore_backup(backup_, database_), ErrorCode::kUnavailable, "rapport serve"));
  EXPECT_EQ(value_of(server->users("", {})).size(), 2u);
  EXPECT_TRUE(ok(server->ensure_user("u_ann", "default", "ann")));
  EXPECT_FALSE(fs::exists(kept_));
}

TEST_F(RestoreBackupTest, WhatIsNoGoodBackupChangesNothing) {
  fill(database_, {"sam"});
  fill(folder_.file("other.db"), {"kim", "ann"});
  const auto copy = [&](const std::string& name) {
    const std::string path = folder_.file(name);
    back_up(folder_.file("other.db"), path);
    return path;
  };
  const std::string text = folder_.file("text.db");
  ASSERT_TRUE(ok(base::write_file_atomically(text, "no database at all")));
  const std::string empty = folder_.file("empty.db");
  ASSERT_TRUE(ok(base::write_file_atomically(empty, "")));
  const std::string foreign = folder_.file("foreign.db");
  ASSERT_TRUE(ok(base::write_file_atomically(foreign, "")));
  execute(foreign, "CREATE TABLE bookmarks (url)");
  const std::string newer = copy("newer.db");
  execute(newer, "PRAGMA user_version = 1000");
  const std::string orphaned = copy("orphaned.db");
  execute(orphaned, "INSERT INTO settings VALUES ('u_nobody', x'', 1)");
  const std::string damaged = copy("damaged.db");
  std::string bytes = value_of(base::read_file(damaged));
  for (std::size_t at = 4096; at < bytes.size(); at += 5) bytes[at] = '\xff';
  ASSERT_TRUE(ok(base::write_file_atomically(damaged, bytes)));
  const std::string missing = folder_.file("missing.db");

  const std::tuple<std::string, ErrorCode> cases[] = {
      {text, ErrorCode::kCorrupt},
      {empty, ErrorCode::kInvalidArgument},
      {foreign, ErrorCode::kInvalidArgument},
      {newer, ErrorCode::kUnsupported},
      {orphaned, ErrorCode::kCorrupt},
      {damaged, ErrorCode::kCorrupt},
      {missing, ErrorCode::kNotFound},
      {database_, ErrorCode::kInvalidArgument},
  };
  for (const auto& [path, code] : cases) {
    EXPECT_TRUE(fails(restore_backup(path, database_), code, path));
    EXPECT_EQ(users(database_), Names{"u_sam"}) << path;
    EXPECT_FALSE(fs::exists(kept_)) << path;
    EXPECT_EQ(leftovers(), Names{}) << path;
  }
}

}  // namespace
}  // namespace rapport::store
