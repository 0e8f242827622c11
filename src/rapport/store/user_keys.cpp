#include "rapport/store/user_keys.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <new>

#include "rapport/base/log.h"
#include "rapport/store/database_copy.h"
#include "rapport/store/private_files.h"
#include "rapport/store/sqlite_database.h"

namespace rapport::store {
namespace {

using sqlite::Connection;
using sqlite::Statement;

/// "RapK": tells this file from rapport.db.
constexpr std::int64_t kApplicationId = 0x5261704b;
constexpr std::int64_t kVersion = 1;
constexpr const char* kSchema = R"sql(
CREATE TABLE ring (check_box BLOB NOT NULL) STRICT;
CREATE TABLE keys (
  user    TEXT PRIMARY KEY,
  wrapped BLOB NOT NULL,
  created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE erasures (
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,
  id      TEXT NOT NULL UNIQUE,
  user    TEXT NOT NULL,
  begun   INTEGER NOT NULL,
  receipt TEXT,
  place   INTEGER UNIQUE
) STRICT;
CREATE INDEX erasures_of_user ON erasures (user);
CREATE INDEX erasures_open ON erasures (user) WHERE receipt IS NULL;
)sql";

constexpr std::string_view kCheck = "users.db";

std::string context_of(std::string_view user) {
  return joined({"user key", user});
}

}  // namespace

UserKeys::UserKeys(std::unique_ptr<Connection> connection, const KeyRing& ring,
                   const base::Clock& clock, base::Random& random, UserKeysOptions options)
    : ring_(ring),
      clock_(clock),
      random_(random),
      options_(options),
      connection_(std::move(connection)) {}

UserKeys::~UserKeys() {
  if (slots_ == nullptr) return;
  std::destroy_n(slots_, options_.cached);
  sodium_free(slots_);
}

Result<std::unique_ptr<UserKeys>> UserKeys::open(const std::string& path, const KeyRing& ring,
                                                 const base::Clock& clock, base::Random& random,
                                                 UserKeysOptions options) {
  const std::string file = absolute_path(path);
  const Result<void> created = create_private_file(file);
  if (!created && created.error().code != ErrorCode::kConflict) return fail(created.error());
  TRY_VOID(check_private(file));
  TRY(auto connection, Connection::open(file, sqlite::Access::kReadWrite, options.busy_timeout_ms));
  std::unique_ptr<UserKeys> keys(new UserKeys(std::move(connection), ring, clock, random, options));
  TRY_VOID(keys->prepare());
  TRY_VOID(keys->wrap_anew());
  TRY_VOID(keys->load());
  return keys;
}

Result<void> UserKeys::prepare() {
  // A key that a power cut loses takes what it sealed with it, which rapport.db may have kept:
  // FULL, for one fsync a new user.
  TRY_VOID(sqlite::set_up(*connection_, {.path = connection_->path(), .synchronous_full = true}));
  TRY_VOID(sqlite::switch_to_wal(*connection_, options_.busy_timeout_ms));
  return connection_->transaction([&]() -> Result<void> {
    TRY(const std::int64_t version, connection_->integer_of("PRAGMA user_version"));
    TRY(const std::int64_t application, connection_->integer_of("PRAGMA application_id"));
    if (version == 0 && application == 0) {
      TRY_VOID(connection_->execute(kSchema));
      TRY_VOID(connection_->execute(fmt::format(
          "PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kVersion)));
      TRY(Statement insert, connection_->prepare("INSERT INTO ring (check_box) VALUES (?)"));
      insert.bind_bytes(seal_box(ring_.home_key(), kCheck, kCheck, random_));
      return insert.run();
    }
    if (application != kApplicationId) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{} is the database of another program: move it away", connection_->path()));
    }
    if (version > kVersion) {
      return fail(ErrorCode::kUnsupported,
                  fmt::format("{} was written by a newer Rapport (version {}): update the program",
                              connection_->path(), version));
    }
    TRY(const std::string check, connection_->text_of("SELECT check_box FROM ring"));
    const auto& previous = ring_.previous_home_key();
    if (open_box(ring_.home_key(), check, kCheck) ||
        (previous && open_box(*previous, check, kCheck))) {
      return {};
    }
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} belongs to another keyring.json, so that nothing stored could be "
                            "read: put back the two that belong together",
                            connection_->path()));
  });
}

Result<void> UserKeys::wrap_anew() {
  const auto& previous = ring_.previous_home_key();
  if (!previous) return {};
  return connection_->transaction([&]() -> Result<void> {
    std::vector<std::pair<std::string, std::string>> rows;
    {
      TRY(Statement all, connection_->prepare("SELECT user, wrapped FROM keys"));
      TRY(rows, all.all([](const Statement& row) -> Result<std::pair<std::string, std::string>> {
        return std::pair{row.text(0), row.text(1)};
      }));
    }
    for (const auto& [user, box] : rows) {
      auto key = open_box(*previous, box, context_of(user));
      if (!key) continue;  // done before, or damaged: told when it is used
      TRY(Statement update, connection_->prepare("UPDATE keys SET wrapped = ? WHERE user = ?"));
      update.bind_bytes(wrapped(user, SecretKey(*key)));
      wipe(*key);
      TRY_VOID(update.bind(user).run());
    }
    TRY(Statement check, connection_->prepare("UPDATE ring SET check_box = ?"));
    check.bind_bytes(seal_box(ring_.home_key(), kCheck, kCheck, random_));
    return check.run();
  });
}

Result<void> UserKeys::load() {
  static const int ready = sodium_init();
  void* memory = ready < 0 ? nullptr : sodium_allocarray(options_.cached, sizeof(SecretKey));
  if (memory == nullptr) return fail(ErrorCode::kUnavailable, "no memory for the users' keys");
  slots_ = static_cast<SecretKey*>(memory);
  std::uninitialized_default_construct_n(slots_, options_.cached);
  for (std::size_t slot = options_.cached; slot > 0; --slot) free_slots_.push_back(slot - 1);

  TRY(data_version_, connection_->integer_of("PRAGMA data_version"));
  TRY(last_erasure_, connection_->integer_of("SELECT coalesce(max(seq), 0) FROM erasures"));
  TRY(Statement rows, connection_->prepare("SELECT user, wrapped FROM keys LIMIT ?"));
  rows.bind(static_cast<std::int64_t>(options_.cached));
  while (true) {
    TRY(const bool row, rows.step());
    if (!row) return {};
    const std::string user = rows.text(0);
    // A damaged one must not keep the others from being served: told when it is used.
    if (const auto key = unwrapped(user, rows.text(1))) cache(user, *key);
  }
}

std::string UserKeys::wrapped(std::string_view user, const SecretKey& key) {
  return seal_box(ring_.home_key(), key.bytes(), context_of(user), random_);
}

Result<SecretKey> UserKeys::unwrapped(std::string_view user, std::string_view box) const {
  auto bytes = open_box(ring_.home_key(), box, context_of(user));
  if (!bytes || bytes->size() != SecretKey::kBytes) {
    return fail(
        ErrorCode::kCorrupt,
        fmt::format("the key of user {} in {} was changed: put back the copy you keep of it", user,
                    connection_->path()));
  }
  SecretKey key(*bytes);
  wipe(*bytes);
  return key;
}

Result<std::optional<SecretKey>> UserKeys::read(std::string_view user) {
  TRY(Statement row, connection_->prepare("SELECT wrapped FROM keys WHERE user = ?"));
  TRY(const bool found, row.bind(user).step());
  if (!found) return std::nullopt;
  TRY(SecretKey key, unwrapped(user, row.text(0)));
  cache(user, key);
  return key;
}

Result<bool> UserKeys::being_erased(std::string_view user) {
  TRY(Statement open,
      connection_->prepare("SELECT 1 FROM erasures WHERE user = ? AND receipt IS NULL"));
  return open.bind(user).step();
}

Result<SecretKey> UserKeys::to_seal(std::string_view user) {
  const std::lock_guard lock(mutex_);
  if (const auto known = cached(user)) return *known;
  TRY(const auto stored, read(user));
  if (stored) return *stored;
  auto made_now = connection_->transaction([&]() -> Result<SecretKey> {
    TRY(const bool erasing, being_erased(user));
    if (erasing) {
      return fail(Error{.code = ErrorCode::kUnavailable,
                        .message = fmt::format("user {} is being erased: try again", user),
                        .param = {},
                        .reason = "being_erased",
                        .retry_after = std::chrono::seconds(1)});
    }
    TRY(Statement insert,
        connection_->prepare("INSERT INTO keys (user, wrapped, created) VALUES (?, ?, ?) "
                             "ON CONFLICT (user) DO NOTHING"));
    insert.bind(user).bind_bytes(wrapped(user, SecretKey::make(random_)));
    TRY_VOID(insert.bind(clock_.now()).run());
    // Another process may have been first.
    TRY(const auto made, read(user));
    return *made;
  });
  // Read, and with it cached, before it was durable.
  if (!made_now) forget(user);
  return made_now;
}

Result<SecretKey> UserKeys::to_open(std::string_view user) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = cached(user)) return *known;
  }
  return read_anew(user);
}

Result<SecretKey> UserKeys::read_anew(std::string_view user) {
  const std::lock_guard lock(mutex_);
  forget(user);
  TRY(const auto stored, read(user));
  if (stored) return *stored;
  return fail(ErrorCode::kNotFound,
              fmt::format("user {} has no key in {}", user, connection_->path()));
}

Result<std::int64_t> UserKeys::count() {
  const std::lock_guard lock(mutex_);
  return connection_->integer_of("SELECT count(*) FROM keys WHERE user <> ''");
}

Result<std::vector<UserId>> UserKeys::refresh() {
  const std::lock_guard lock(mutex_);
  TRY(const std::int64_t version, connection_->integer_of("PRAGMA data_version"));
  if (version == data_version_) return std::vector<UserId>{};
  std::vector<UserId> erased;
  {
    TRY(Statement rows,
        connection_->prepare("SELECT user, seq FROM erasures WHERE seq > ? ORDER BY seq"));
    rows.bind(last_erasure_);
    while (true) {
      TRY(const bool row, rows.step());
      if (!row) break;
      erased.push_back(rows.text(0));
      last_erasure_ = rows.integer(1);
    }
  }
  for (const UserId& user : erased) forget(user);
  data_version_ = version;
  return erased;
}

std::optional<SecretKey> UserKeys::cached(std::string_view user) {
  const auto found = places_.find(user);
  if (found == places_.end()) return std::nullopt;
  recent_.splice(recent_.begin(), recent_, found->second.recent);
  return slots_[found->second.slot];
}

void UserKeys::cache(std::string_view user, const SecretKey& key) {
  if (const auto found = places_.find(user); found != places_.end()) {
    slots_[found->second.slot] = key;
    return;
  }
  if (free_slots_.empty()) forget(std::string(recent_.back()));
  const std::size_t slot = free_slots_.back();
  free_slots_.pop_back();
  recent_.emplace_front(user);
  places_.emplace(std::string(user), Place{slot, recent_.begin()});
  slots_[slot] = key;
}

void UserKeys::forget(std::string_view user) {
  const auto found = places_.find(user);
  if (found == places_.end()) return;
  slots_[found->second.slot] = SecretKey();
  free_slots_.push_back(found->second.slot);
  recent_.erase(found->second.recent);
  places_.erase(found);
}

void UserKeys::scrub_log() {
  const Result<std::int64_t> blocked = connection_->integer_of("PRAGMA wal_checkpoint(TRUNCATE)");
  if (!blocked || *blocked != 0) {
    base::log_warning(
        "a destroyed key stays, wrapped, in the write-ahead log until its next "
        "checkpoint",
        {{"database", connection_->path()}});
  }
}

Result<void> UserKeys::copy_to(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return sqlite::copy_database(*connection_, path);
}

}  // namespace rapport::store
