// What is left of a user in the database after an erasure: nothing; and of others: everything.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

#include "rapport/base/files.h"
#include "rapport/store/home_store.h"
#include "rapport/store/restore_backup.h"
#include "rapport/store/sealed_columns.h"
#include "store_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::store {
namespace {

namespace fs = std::filesystem;
using sqlite::Access;
using sqlite::Connection;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

class SqliteErasuresTest : public ::testing::Test {
 protected:
  SqliteErasuresTest() { open(); }
  void open() {
    home_.reset();
    auto opened = HomeStore::open(folder_.path(), {}, clock_, random_);
    ASSERT_TRUE(ok(opened));
    home_.emplace(*std::move(opened));
  }
  Store& store() { return *home_->store; }
  /// A row in every table that names users.
  void fill(const std::string& user, int n) {
    ASSERT_TRUE(ok(store().ensure_user(user, "default", "name of " + user)));
    Exchange exchange = sample_exchange(user, "conv_" + user, n);
    for (Turn& turn : exchange.turns) turn.id += user;
    for (Turn& turn : exchange.turns) {
      if (!turn.response_id.empty()) turn.response_id += user;
    }
    exchange.exposure->response_id += user;
    exchange.trace->response_id += user;
    exchange.facts = {sample_fact(user, "fact_" + user)};
    exchange.settings = becomes({{"default", {{"tone", "warm"}}}});
    exchange.jobs = {sample_job("job_" + user)};
    exchange.jobs[0].user = user;
    ASSERT_TRUE(ok(store().record_exchange(exchange)));
    // Answered at degree 0, and recommended to without a conversation.
    ASSERT_TRUE(ok(store().record_exchange(
        {.conversation = {.user = user},
         .exposure = Exposure{.response_id = "rec_" + user, .user = user},
         .trace = TraceRecord{.response_id = "rec_" + user, .user = user, .data = {{"a", 1}}}})));
    ASSERT_TRUE(ok(store().add_events({{.id = "evt_" + user, .user = user, .kind = "rating"}})));
    ASSERT_TRUE(ok(store().add_interactions({{.id = "act_" + user, .user = user, .item = "50"}})));
    ASSERT_TRUE(ok(store().add_key({.id = "key_" + user,
                                    .digest = "digest_" + user,
                                    .role = KeyRole::kUser,
                                    .user = user,
                                    .user_name = "name of " + user})));
  }
  std::vector<std::string> texts(const std::string& sql) {
    const auto raw =
        value_of(Connection::open(database_of(folder_.path()).string(), Access::kReadOnly, 1'000));
    sqlite::Statement rows = *raw->prepare(sql);
    return value_of(
        rows.all([](const sqlite::Statement& row) -> Result<std::string> { return row.text(0); }));
  }
  std::string bytes_on_disk() const {
    std::string bytes;
    for (const auto& file : fs::directory_iterator(folder_.path())) {
      if (file.is_regular_file()) bytes += value_of(base::read_file(file.path()));
    }
    return bytes;
  }

  testing::TemporaryDirectory folder_;
  base::ManualClock clock_;
  base::SystemRandom random_;
  std::optional<HomeStore> home_;
};

TEST_F(SqliteErasuresTest, EveryColumnThatNamesAUserIsInTheList) {
  std::vector<std::string> listed;
  for (const auto& table : sqlite::personal_tables()) {
    listed.push_back(fmt::format("{}.{}", table.table, table.user));
  }
  listed.emplace_back("erased.user");  // who is no longer here
  EXPECT_THAT(
      listed,
      UnorderedElementsAreArray(
          texts("SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_info(t.name) c "
                "WHERE t.type = 'table' AND (c.name = 'user' OR t.name || c.name = 'usersid')")));
}

TEST_F(SqliteErasuresTest, AllRowsOfTheUserGoAndNoneOfAnother) {
  fill("u_1", 0);
  fill("u_2", 0);
  const RowCounts others = value_of(store().rows_of("u_2"));
  ASSERT_EQ(others.size(), sqlite::personal_tables().size()) << "a table is not tried";
  ASSERT_EQ(value_of(store().rows_of("u_1")), others);

  EXPECT_EQ(value_of(store().erase_user("u_1", 1)), others);
  EXPECT_THAT(value_of(store().rows_of("u_1")), IsEmpty());
  EXPECT_EQ(value_of(store().rows_of("u_2")), others);
  EXPECT_EQ(value_of(store().turns("u_2", "conv_u_2", {})).size(), 2u);
  EXPECT_EQ(value_of(store().erase_user("u_1", 1)), others) << "again: what it was the first time";
}

TEST_F(SqliteErasuresTest, NothingOfTheUserIsInTheFiles) {
  fill("u_xylophone", 0);
  ASSERT_THAT(bytes_on_disk(), HasSubstr("u_xylophone"));
  ASSERT_TRUE(ok(store().erase_user("u_xylophone", 1)));
  // The name in `erased` is all there is, once in the table and once in each of its indexes.
  const std::string bytes = bytes_on_disk();
  EXPECT_THAT(bytes, Not(HasSubstr("fact_u_xylophone")));
  EXPECT_THAT(bytes, Not(HasSubstr("rec_u_xylophone")));
  EXPECT_THAT(bytes, Not(HasSubstr("job_u_xylophone")));
}

TEST_F(SqliteErasuresTest, NoPartOfAnErasureScansTheRowsOfOthers) {
  for (const auto& table : sqlite::personal_tables()) {
    if (table.table == "api_keys") continue;  // there are few
    const auto raw =
        value_of(Connection::open(database_of(folder_.path()).string(), Access::kReadOnly, 1'000));
    sqlite::Statement rows = *raw->prepare(fmt::format("EXPLAIN QUERY PLAN DELETE FROM {} WHERE {}",
                                                       table.table, sqlite::rows_of_user(table)));
    const auto steps = value_of(
        rows.all([](const sqlite::Statement& row) -> Result<std::string> { return row.text(3); }));
    for (const std::string& step : steps) EXPECT_THAT(step, Not(HasSubstr("SCAN"))) << table.table;
  }
}

TEST_F(SqliteErasuresTest, WhatBeganBeforeAnErasureDoesNotBringTheUserBack) {
  fill("u_1", 0);
  const ErasureMark before = value_of(store().erasure_mark());
  ASSERT_TRUE(ok(store().erase_user("u_1", 7)));

  const auto refused = store().ensure_user("u_1", "default", "sam", before);
  EXPECT_TRUE(fails(refused, ErrorCode::kConflict, "u_1"));
  EXPECT_EQ(refused.error().reason, "user_erased");
  Exchange late{.trace = TraceRecord{.response_id = "r", .user = "u_1"}, .as_of = before};
  EXPECT_TRUE(fails(store().record_exchange(late), ErrorCode::kConflict, "erased meanwhile"));
  EXPECT_THAT(value_of(store().rows_of("u_1")), IsEmpty());

  // What begins afterwards makes a new user; and others were never held up.
  EXPECT_TRUE(ok(store().ensure_user("u_2", "default", "kim", before)));
  const ErasureMark after = value_of(store().erasure_mark());
  EXPECT_TRUE(ok(store().ensure_user("u_1", "default", "sam", after)));
  late.as_of = after;
  EXPECT_TRUE(ok(store().record_exchange(late)));
}

TEST_F(SqliteErasuresTest, ABackupFromBeforeTheErasureLacksIt) {
  fill("u_1", 0);
  const std::string backup = folder_.file("backup.db");
  ASSERT_TRUE(ok(store().backup(backup)));
  ASSERT_TRUE(ok(store().erase_user("u_1", 3)));
  EXPECT_THAT(value_of(store().not_erased({{"u_1", 3}, {"u_1", 2}})),
              ElementsAre(std::pair<UserId, std::int64_t>("u_1", 2)));
  home_.reset();
  ASSERT_TRUE(ok(restore_backup(backup, database_of(folder_.path()).string())));
  open();
  EXPECT_THAT(value_of(store().not_erased({{"u_1", 3}})), UnorderedElementsAre(Key("u_1")));
  EXPECT_FALSE(value_of(store().rows_of("u_1")).empty());
}

TEST_F(SqliteErasuresTest, TheDatabaseThatARestoreLeftIsErasedToo) {
  fill("u_1", 0);
  fill("u_2", 0);
  const RowCounts rows = value_of(store().rows_of("u_2"));
  home_.reset();
  fs::copy_file(database_of(folder_.path()), former_database_of(folder_.path()));
  std::int64_t all = 0;
  for (const auto& [table, count] : rows) all += count;
  EXPECT_EQ(value_of(rows_in_former_database(folder_.path(), "u_1")), all);
  EXPECT_EQ(value_of(erase_from_former_database(folder_.path(), "u_1")), all);
  EXPECT_EQ(value_of(rows_in_former_database(folder_.path(), "u_1")), 0);
  EXPECT_EQ(value_of(rows_in_former_database(folder_.path(), "u_2")), all);

  // One that cannot be read goes whole.
  ASSERT_TRUE(
      ok(base::write_file_atomically(former_database_of(folder_.path()), "no database", 0600)));
  EXPECT_EQ(value_of(erase_from_former_database(folder_.path(), "u_1")), 1);
  EXPECT_FALSE(fs::exists(former_database_of(folder_.path())));
}

TEST_F(SqliteErasuresTest, AllOfAUserIsReadAtOnceAndPutBackAsItWas) {
  fill("u_1", 0);
  fill("u_2", 0);
  UserData before = value_of(store().user_data("u_1"));
  before.prefixes = {{"conv_u_1", "hash_0"}};
  EXPECT_TRUE(fails(store().put_user_data(before), ErrorCode::kConflict, "erase the user first"));

  const RowCounts rows = value_of(store().erase_user("u_1", 1));
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(ok(store().put_user_data(before)));
  const UserData after = value_of(store().user_data("u_1"));
  EXPECT_EQ(as_json(after.user), as_json(before.user));
  EXPECT_EQ(after.settings, before.settings);
  EXPECT_EQ(as_json(after.facts), as_json(before.facts));
  EXPECT_EQ(as_json(after.conversations), as_json(before.conversations));
  EXPECT_EQ(as_json(after.turns), as_json(before.turns));
  EXPECT_EQ(as_json(after.interactions), as_json(before.interactions));
  EXPECT_EQ(as_json(after.events), as_json(before.events));
  EXPECT_EQ(as_json(after.jobs), as_json(before.jobs));
  ASSERT_EQ(after.traces.size(), 2u);
  EXPECT_EQ(after.traces[0].data, before.traces[0].data);
  EXPECT_EQ(after.exposures.size(), 2u);
  RowCounts without_keys = rows;
  without_keys.erase("api_keys");
  EXPECT_EQ(value_of(store().rows_of("u_1")), without_keys);
  EXPECT_EQ(value_of(store().conversation_by_prefix("u_1", {"hash_0"}))->id, "conv_u_1");
}

TEST_F(SqliteErasuresTest, AnIdOfAnotherUserIsRefusedAndNothingIsHalfDone) {
  fill("u_1", 0);
  UserData data = value_of(store().user_data("u_1"));
  data.user.id = "u_3";
  for (auto& fact : data.facts) fact.user = "u_3";
  data.conversations.clear();
  data.turns.clear();
  EXPECT_TRUE(fails(store().put_user_data(data), ErrorCode::kConflict, "another user"));
  EXPECT_THAT(value_of(store().rows_of("u_3")), IsEmpty());
}

}  // namespace
}  // namespace rapport::store
