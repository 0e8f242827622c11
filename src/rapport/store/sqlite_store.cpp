#include "rapport/store/sqlite_store.h"

#include <fmt/format.h>

#include "rapport/base/digest.h"
#include "rapport/store/personal_columns.h"
#include "rapport/store/sealed_columns.h"
#include "rapport/store/sqlite_writing.h"

namespace rapport::store {
namespace {

Result<void> check(const SqliteOptions& options) {
  const auto refuse = [](std::string_view option, const std::string& why) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("store.{} {}", option, why),
                std::string(option));
  };
  if (options.path.empty()) return refuse("path", "is empty: name the database file");
  if (options.index_key.size() < 16 || options.index_key.size() > 64) {
    return refuse("index_key", fmt::format("has {} bytes, it needs 16 to 64: pass the key ring's",
                                           options.index_key.size()));
  }
  if (options.synchronous != "normal" && options.synchronous != "full") {
    return refuse("synchronous",
                  fmt::format("is \"{}\": use \"normal\" or \"full\"", options.synchronous));
  }
  if (options.busy_timeout_ms < 0 || options.busy_timeout_ms > 600'000) {
    return refuse("busy_timeout_ms",
                  fmt::format("is {}: use 0 to 600000", options.busy_timeout_ms));
  }
  if (options.readers < 1 || options.readers > 64) {
    return refuse("readers", fmt::format("is {}: use 1 to 64", options.readers));
  }
  return {};
}

/// API keys of before knew their user by name only, in plain text.
Result<void> name_users_of_keys(sqlite::Connection& connection, const SqliteOptions& options) {
  struct Unnamed {
    std::string id, app, name;
  };
  std::vector<Unnamed> unnamed;
  {
    TRY(sqlite::Statement rows,
        connection.prepare("SELECT id, app, user_name FROM api_keys WHERE user_name <> x''"));
    TRY(unnamed, rows.all([](const sqlite::Statement& row) -> Result<Unnamed> {
      return Unnamed{row.text(0), row.text(1), row.text(2)};
    }));
  }
  for (const auto& [id, app, name] : unnamed) {
    if (!options.pseudonym) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("key {} does not say whose it is: pass KeyRing::pseudonym", id),
                  "pseudonym");
    }
    TRY(sqlite::Statement update, connection.prepare("UPDATE api_keys SET user = ? WHERE id = ?"));
    TRY_VOID(update.bind(options.pseudonym(app, name), id).run());
  }
  return {};
}

}  // namespace

SqliteStore::SqliteStore(std::unique_ptr<sqlite::Database> database,
                         std::unique_ptr<sqlite::PersonalColumns> personal, std::string index_key,
                         const base::Clock& clock, base::Random& random)
    : database_(std::move(database)),
      personal_(std::move(personal)),
      index_key_(std::move(index_key)),
      clock_(clock),
      random_(random) {}

SqliteStore::~SqliteStore() = default;

Result<std::unique_ptr<Store>> SqliteStore::open(SqliteOptions options,
                                                 std::shared_ptr<const PersonalTextCodec> codec,
                                                 const base::Clock& clock, base::Random& random) {
  TRY_VOID(check(options));
  TRY(auto database, sqlite::Database::open({.path = options.path,
                                             .synchronous_full = options.synchronous == "full",
                                             .busy_timeout_ms = options.busy_timeout_ms,
                                             .readers = options.readers}));
  std::unique_ptr<SqliteStore> store(new SqliteStore(
      std::move(database), std::make_unique<sqlite::PersonalColumns>(std::move(codec)),
      options.index_key, clock, random));
  TRY_VOID(store->check_index_key());
  TRY_VOID(sqlite::seal_database(
      *store->database_, *store->personal_,
      [&](sqlite::Connection& connection) { return name_users_of_keys(connection, options); }));
  return store;
}

Result<void> SqliteStore::check_index_key() {
  const std::string own = index_digest("check", "", "");
  TRY(const std::string stored,
      database_->write([&](sqlite::Connection& connection) -> Result<std::string> {
        TRY(sqlite::Statement keep,
            connection.prepare("INSERT INTO meta (name, value) VALUES ('index_key_check', ?) "
                               "ON CONFLICT (name) DO NOTHING"));
        TRY_VOID(keep.bind(own).run());
        return connection.text_of("SELECT value FROM meta WHERE name = 'index_key_check'");
      }));
  if (stored == own) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("{} was made with another key ring, so that nothing in it could be read: put "
                  "the keyring.json and users.db that belong to it back into the keys "
                  "folder, or name another home folder",
                  database_->path()));
}

std::string SqliteStore::index_digest(std::string_view context, std::string_view user,
                                      std::string_view text) const {
  // Contexts and pseudonyms hold no NUL, so the three cannot be read in another way. 128 bits are
  // plenty to tell one user's conversations apart, and halve the index.
  std::string bytes;
  bytes.append(context).append(1, '\0').append(user).append(1, '\0').append(text);
  return base::digest(bytes, index_key_).substr(0, 32);
}

}  // namespace rapport::store
