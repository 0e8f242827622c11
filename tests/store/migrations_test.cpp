// Every past schema, filled with rows as it was in its time, becomes the newest and keeps them.
#include "rapport/store/migrations.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "plain_text_codec.h"
#include "rapport/base/files.h"
#include "rapport/store/sqlite_store.h"
#include "store_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::store {
namespace {

using sqlite::Access;
using sqlite::Connection;
using sqlite::Migration;
using sqlite::Statement;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;
using ::testing::Not;

/// Rows that a program of schema k wrote into the tables that step k made or changed; the test
/// refuses a step without.
const std::vector<const char*> kRowsOfVersion = {
    R"sql(
INSERT INTO meta VALUES ('note', 'of a first release');
INSERT INTO users VALUES ('u_1', 'default', CAST('sam' AS BLOB), 1000, 2000);
INSERT INTO settings VALUES ('u_1', CAST('{"default":{"tone":"warm"}}' AS BLOB), 1500);
INSERT INTO facts VALUES (1, 'fact_1', 'u_1', CAST('I''m vegetarian' AS BLOB), 'diet',
  CAST('vegetarian' AS BLOB), '', 0.9, 'statement', 'turn_1', CAST('I''m vegetarian, by the way' AS BLOB),
  1000, NULL, 'active', '', 1000, 1000);
INSERT INTO conversations VALUES (1, 'conv_1', 'u_1', x'', NULL, 1, 1000, 2000);
INSERT INTO turns VALUES (1, 'turn_1', 'conv_1', 'u_1', 0, 'user', CAST('{"role":"user"}' AS BLOB), '', 1000);
INSERT INTO prefixes VALUES ('u_1', '00112233445566778899aabbccddeeff', 'conv_1');
)sql",
    R"sql(
INSERT INTO traces VALUES ('resp_1', 'u_1', 'conv_1', CAST('{"degree":3}' AS BLOB), 2000);
INSERT INTO exposures VALUES ('resp_1', 'u_1', 'conv_1', 'style', 'brief', 0.5, 2000);
INSERT INTO events VALUES (1, 'evt_1', 'u_1', 'rating', 'resp_1', CAST('{"stars":5}' AS BLOB), 2100);
)sql",
    R"sql(
INSERT INTO jobs VALUES (1, 'job_1', 'observe', 'u_1', CAST('{}' AS BLOB), 'queued', 0, 3, 0, 0, x'', 0, 0,
  2000, 2000);
INSERT INTO api_keys VALUES (1, 'key_1', 'digest_1', 'laptop', 'default', 'user', CAST('sam' AS BLOB), 900,
  NULL);
)sql",
    R"sql(
INSERT INTO interactions VALUES (1, 'act_1', 'u_1', 'ml-100k', 'rating', CAST('50' AS BLOB), 4.5, 'rec_1', 2200);
)sql",
    R"sql(
INSERT INTO facts VALUES (2, 'fact_2', 'u_1', CAST('I live in Oslo' AS BLOB), CAST('home' AS BLOB),
  CAST('Oslo' AS BLOB), '', 0.9, 'statement', 'turn_1', x'', 1000, NULL, 'active', '', 1000, 1000);
UPDATE api_keys SET user = 'u_default_sam';
INSERT INTO api_keys VALUES (2, 'key_2', 'digest_2', 'phone', 'default', 'user', CAST('sam' AS BLOB), 900,
  NULL, 'u_default_sam');
)sql",
    R"sql(
INSERT INTO erased VALUES (3, 'u_9', '{}');
)sql",
};

using Rows = std::vector<std::string>;

std::vector<std::string> texts(Connection& connection, const std::string& sql) {
  Statement statement = *connection.prepare(sql);
  return value_of(
      statement.all([](const Statement& row) -> Result<std::string> { return row.text(0); }));
}

std::vector<std::string> tables(Connection& connection) {
  return texts(connection, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
}

std::vector<std::string> columns(Connection& connection, const std::string& table) {
  return texts(connection, fmt::format("SELECT name FROM pragma_table_info('{}')", table));
}

/// Each row as one text of these columns, in no matter what order.
Rows rows(Connection& connection, const std::string& table,
          const std::vector<std::string>& of_columns) {
  // As bytes: a text that became personal is the same as bytes.
  return texts(connection,
               fmt::format("SELECT quote(CAST({} AS BLOB)) FROM {}",
                           fmt::join(of_columns, " AS BLOB)) || ' | ' || quote(CAST("), table));
}

std::vector<std::string> schema(Connection& connection) {
  return texts(connection,
               "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_master "
               "ORDER BY type, name");
}

class MigrationsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Connection> connect(const std::string& path) {
    if (!std::filesystem::exists(path)) {
      EXPECT_TRUE(ok(base::write_file_atomically(path, "", 0600)));
    }
    auto connection = value_of(Connection::open(path, Access::kReadWrite, 1'000));
    EXPECT_TRUE(ok(connection->execute("PRAGMA foreign_keys = ON")));
    return connection;
  }

  /// A file that has lived through every version up to this one.
  std::string database_of_version(std::size_t version) {
    const std::string path = folder_.file(fmt::format("version{}.db", version));
    const auto connection = connect(path);
    for (std::size_t k = 1; k <= version; ++k) {
      EXPECT_TRUE(ok(sqlite::migrate(*connection, sqlite::migrations().first(k))));
      EXPECT_TRUE(ok(connection->execute(kRowsOfVersion[k - 1])));
    }
    return path;
  }

  Result<std::unique_ptr<Store>> open(const std::string& path) {
    return SqliteStore::open(
        {.path = path,
         .index_key = std::string(32, 'k'),
         .pseudonym = [](const std::string& app,
                         const std::string& name) { return "u_" + app + "_" + name; }},
        std::make_shared<PlainTextCodec>(), clock_, random_);
  }

  testing::TemporaryDirectory folder_;
  base::ManualClock clock_;
  base::SeededRandom random_{7};
};

TEST_F(MigrationsTest, EveryPastSchemaBecomesTheNewestAndKeepsItsRows) {
  const std::size_t newest = sqlite::migrations().size();
  ASSERT_EQ(kRowsOfVersion.size(), newest) << "a new step needs rows of its version above";
  const auto fresh = connect(folder_.file("fresh.db"));
  ASSERT_TRUE(ok(sqlite::migrate(*fresh)));

  for (std::size_t version = 1; version <= newest; ++version) {
    SCOPED_TRACE(fmt::format("from schema {}", version));
    const std::string path = database_of_version(version);
    std::map<std::string, Rows> before;
    std::map<std::string, std::vector<std::string>> columns_before;
    {
      const auto connection = connect(path);
      EXPECT_EQ(value_of(sqlite::schema_version(*connection)), static_cast<std::int64_t>(version));
      for (const std::string& table : tables(*connection)) {
        columns_before[table] = columns(*connection, table);
        before[table] = rows(*connection, table, columns_before[table]);
        EXPECT_THAT(before[table], Not(IsEmpty())) << "no rows are tried in " << table;
      }
    }

    ASSERT_TRUE(ok(open(path)));

    const auto connection = connect(path);
    EXPECT_EQ(value_of(sqlite::schema_version(*connection)), static_cast<std::int64_t>(newest));
    EXPECT_EQ(schema(*connection), schema(*fresh));
    EXPECT_EQ(value_of(connection->text_of("PRAGMA integrity_check")), "ok");
    EXPECT_EQ(value_of(connection->text_of("PRAGMA foreign_key_check")), "");
    for (const auto& [table, old_rows] : before) {
      EXPECT_THAT(old_rows, IsSubsetOf(rows(*connection, table, columns_before[table]))) << table;
    }
  }
}

TEST_F(MigrationsTest, TheOldestSchemaIsReadThroughTheStore) {
  auto store = value_of(open(database_of_version(1)));
  EXPECT_EQ(value_of(store->user("u_1")).name, "sam");
  EXPECT_EQ(value_of(store->settings("u_1")), Json({{"default", {{"tone", "warm"}}}}));
  EXPECT_EQ(value_of(store->fact("u_1", "fact_1")).evidence, "I'm vegetarian, by the way");
  EXPECT_EQ(value_of(store->turns("u_1", "conv_1", {})).at(0).content, R"({"role":"user"})");
  EXPECT_TRUE(ok(store->record_exchange(sample_exchange("u_1", "conv_1", 1))));
}

TEST_F(MigrationsTest, AStepThatFailsLeavesTheVersionBeforeIt) {
  const auto connection = connect(folder_.file("rapport.db"));
  std::vector<Migration> steps(sqlite::migrations().begin(), sqlite::migrations().end());
  steps.push_back({"fails half-way", "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);"});
  EXPECT_TRUE(fails(sqlite::migrate(*connection, steps), ErrorCode::kInternal, "nowhere"));
  EXPECT_EQ(value_of(connection->integer_of("PRAGMA user_version")),
            static_cast<std::int64_t>(sqlite::migrations().size()));
  EXPECT_THAT(tables(*connection), Not(::testing::Contains("half")));
  EXPECT_TRUE(ok(sqlite::migrate(*connection)));
}

TEST_F(MigrationsTest, ANewerDatabaseIsRefusedAndLeftAlone) {
  const std::string path = database_of_version(sqlite::migrations().size());
  const std::size_t newer = sqlite::migrations().size() + 1;
  ASSERT_TRUE(ok(connect(path)->execute(fmt::format("PRAGMA user_version = {}", newer))));
  const auto refused = open(path);
  EXPECT_TRUE(fails(refused, ErrorCode::kUnsupported, path));
  EXPECT_TRUE(fails(refused, ErrorCode::kUnsupported, fmt::format("schema {}", newer)));
  EXPECT_EQ(value_of(connect(path)->integer_of("PRAGMA user_version")),
            static_cast<std::int64_t>(newer));
}

TEST_F(MigrationsTest, AnotherProgramsDatabaseIsRefusedAndLeftAlone) {
  const std::string path = folder_.file("bookmarks.db");
  ASSERT_TRUE(ok(connect(path)->execute("CREATE TABLE bookmarks (url)")));
  const std::string bytes = value_of(base::read_file(path));
  EXPECT_TRUE(fails(open(path), ErrorCode::kInvalidArgument, "another program"));
  EXPECT_TRUE(value_of(base::read_file(path)) == bytes);
}

}  // namespace
}  // namespace rapport::store
