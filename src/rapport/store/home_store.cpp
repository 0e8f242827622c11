#include "rapport/store/home_store.h"

#include <fmt/format.h>

#include "rapport/base/files.h"
#include "rapport/base/log.h"
#include "rapport/store/encrypting_codec.h"
#include "rapport/store/sealed_columns.h"
#include "rapport/store/sqlite_store.h"

namespace rapport::store {
namespace {

namespace fs = std::filesystem;

Result<std::unique_ptr<Store>> open_database(const fs::path& path, const KeyRing& keys,
                                             UserKeys& user_keys, const std::string& synchronous,
                                             const base::Clock& clock, base::Random& random) {
  return SqliteStore::open(
      {.path = path.string(),
       .index_key = keys.index_key(),
       .synchronous = synchronous,
       .pseudonym = [keys](const std::string& app,
                           const std::string& name) { return keys.pseudonym(app, name); }},
      std::make_shared<EncryptingCodec>(user_keys, random), clock, random);
}

/// New keys would open nothing of what is there, and lie in the way of the right ones.
Result<void> check_keys_are_there(const fs::path& home) {
  std::error_code ignored;
  const auto is_there = [&](const fs::path& path) { return fs::exists(path, ignored); };
  const bool has_database =
      is_there(database_of(home)) && fs::file_size(database_of(home), ignored) > 0;
  if (!has_database || is_there(keys_of(home) / "keyring.json") ||
      is_there(keys_of(home) / "pseudonym.key")) {
    return {};
  }
  return fail(
      ErrorCode::kNotFound,
      fmt::format("{} is missing, and {} opens with nothing else: put the keys back into {}, "
                  "or name another home folder",
                  (keys_of(home) / "keyring.json").string(), database_of(home).string(),
                  keys_of(home).string()));
}

/// `sql` has a place for the table and one for the condition; returns what it counts or removes.
template <typename Count>
Result<std::int64_t> in_former_database(const fs::path& path, const UserId& user, const char* sql,
                                        Count count) {
  TRY(const auto connection,
      sqlite::Connection::open(path.string(), sqlite::Access::kReadWrite, 2'000));
  TRY_VOID(sqlite::set_up(*connection, {.path = path.string()}));
  std::int64_t rows = 0;
  for (const auto& table : sqlite::personal_tables()) {
    TRY(sqlite::Statement statement,
        connection->prepare(fmt::format(fmt::runtime(sql), table.table, rows_of_user(table))));
    TRY([[maybe_unused]] const bool row, statement.bind(user).step());
    rows += count(*connection, statement);
  }
  TRY_VOID(connection->execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  return rows;
}

}  // namespace

fs::path database_of(const fs::path& home) {
  return home / "rapport.db";
}
fs::path former_database_of(const fs::path& home) {
  return home / "rapport.db.before-restore";
}
fs::path keys_of(const fs::path& home) {
  return home / "keys";
}
fs::path user_keys_of(const fs::path& home) {
  return keys_of(home) / "users.db";
}

Result<HomeStore> HomeStore::open(const fs::path& home, const HomeOptions& options,
                                  const base::Clock& clock, base::Random& random) {
  std::error_code ignored;
  // Only the folder itself is private: what lies above it is not ours to close.
  if (!fs::exists(home, ignored)) TRY_VOID(base::ensure_directory(home, 0700));
  TRY_VOID(check_keys_are_there(home));
  TRY(KeyRing keys, KeyRing::open(keys_of(home), random, options.sources));
  TRY(auto user_keys, UserKeys::open(user_keys_of(home).string(), keys, clock, random));
  if (keys.previous_home_key()) {
    TRY_VOID(KeyRing::forget_previous_home_key(keys_of(home), random, options.sources));
  }
  TRY(auto store,
      open_database(database_of(home), keys, *user_keys, options.synchronous, clock, random));
  return HomeStore{std::move(keys), std::move(user_keys), std::move(store)};
}

Result<std::int64_t> erase_from_former_database(const fs::path& home, const UserId& user) {
  std::int64_t gone = 0;
  std::error_code ignored;
  // What a restore that was killed left is a whole database, in use by nobody.
  if (fs::remove(database_of(home).string() + ".restoring", ignored)) ++gone;
  const fs::path former = former_database_of(home);
  if (!fs::exists(former, ignored)) return gone;
  const auto rows =
      in_former_database(former, user, "DELETE FROM {} WHERE {}",
                         [](sqlite::Connection& connection, const sqlite::Statement&) {
                           return connection.changes();
                         });
  if (rows) return gone + *rows;
  base::log_warning("the former database cannot be read and is removed, for a user is erased",
                    {{"database", former.string()}, {"error", rows.error().message}});
  for (const char* part : {"", "-wal", "-shm"}) {
    std::error_code error;
    gone += fs::remove(former.string() + part, error) ? 1 : 0;
    if (error) {
      return fail(ErrorCode::kIo,
                  fmt::format("cannot remove {}{}: {}", former.string(), part, error.message()));
    }
  }
  return gone;
}

Result<std::int64_t> rows_in_former_database(const fs::path& home, const UserId& user) {
  std::error_code ignored;
  if (!fs::exists(former_database_of(home), ignored)) return std::int64_t{0};
  return in_former_database(
      former_database_of(home), user, "SELECT count(*) FROM {} WHERE {}",
      [](sqlite::Connection&, const sqlite::Statement& row) { return row.integer(0); });
}

void seal_former_database(const fs::path& home, const KeyRing& keys, UserKeys& user_keys,
                          const base::Clock& clock, base::Random& random) {
  const fs::path former = former_database_of(home);
  std::error_code ignored;
  if (!fs::exists(former, ignored)) return;
  const auto sealed = open_database(former, keys, user_keys, "normal", clock, random);
  if (sealed) return;
  base::log_warning("the former database may hold plain text: delete it when it is not needed",
                    {{"database", former.string()}, {"error", sealed.error().message}});
}

}  // namespace rapport::store
