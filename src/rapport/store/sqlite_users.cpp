// Users and their settings.
#include <fmt/format.h>

#include "rapport/base/log.h"
#include "rapport/store/sqlite_writing.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::Statement;

namespace {

tl::unexpected<Error> no_user(const UserId& id) {
  return fail(ErrorCode::kNotFound, fmt::format("user {} is not known: check the name", id));
}

}  // namespace

Result<User> SqliteStore::read_user(const Statement& row) const {
  User user;
  user.id = row.text(0);
  user.app = row.text(1);
  TRY(user.name, personal_->read(row, 2, {user.id, "users", user.id, "name"}));
  user.created = row.integer(3);
  user.last_seen = row.integer(4);
  return user;
}

Result<void> SqliteStore::require_user(Connection& connection, const UserId& user) const {
  TRY(Statement known, connection.prepare("SELECT 1 FROM users WHERE id = ?"));
  TRY(const bool found, known.bind(user).step());
  if (!found) return no_user(user);
  return {};
}

Result<void> SqliteStore::touch_user(Connection& connection, const UserId& user,
                                     UnixMillis at) const {
  TRY(Statement touch,
      connection.prepare("UPDATE users SET last_seen = max(last_seen, ?) WHERE id = ?"));
  TRY_VOID(touch.bind(at, user).run());
  if (connection.changes() == 0) return no_user(user);
  return {};
}

Result<User> SqliteStore::user(const UserId& id) {
  return database_->read([&](Connection& connection) -> Result<User> {
    TRY(Statement row,
        connection.prepare("SELECT id, app, name, created, last_seen FROM users WHERE id = ?"));
    TRY(std::optional<User> found,
        row.bind(id).one([&](const Statement& at) { return read_user(at); }));
    if (!found) return no_user(id);
    return *std::move(found);
  });
}

Result<User> SqliteStore::ensure_user(const UserId& id, const std::string& app,
                                      const std::string& name, std::optional<ErasureMark> as_of) {
  // Nearly always known: a read, which waits for no writer.
  Result<User> known = user(id);
  if (known || known.error().code != ErrorCode::kNotFound) return known;
  const UnixMillis now = clock_.now();
  const Result<void> inserted = write([&](Connection& connection) -> Result<void> {
    TRY_VOID(refuse_erased(connection, id, as_of));
    TRY(Statement insert,
        connection.prepare("INSERT INTO users (id, app, name, created, last_seen) "
                           "VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"));
    insert.bind(id, app);
    TRY_VOID(personal_->bind(insert, {id, "users", id, "name"}, name));
    return insert.bind(now, now).run();
  });
  if (!inserted) return fail(inserted.error());
  return user(id);
}

Result<std::vector<User>> SqliteStore::users(const std::string& app, Page page) {
  TRY_VOID(check(page));
  return database_->read([&](Connection& connection) -> Result<std::vector<User>> {
    TRY(Statement rows, connection.prepare("SELECT id, app, name, created, last_seen FROM users "
                                           "WHERE ?1 = '' OR app = ?1 "
                                           "ORDER BY last_seen DESC, id DESC LIMIT ?2 OFFSET ?3"));
    return rows.bind(app, page.limit, page.offset).all([&](const Statement& row) -> Result<User> {
      auto user = read_user(row);
      if (user || user.error().code != ErrorCode::kCorrupt) return user;
      // One damaged row must not hide all others.
      base::log_warning("a user's name cannot be read", {{"error", user.error().message}});
      return User{.id = row.text(0),
                  .app = row.text(1),
                  .created = row.integer(3),
                  .last_seen = row.integer(4)};
    });
  });
}

Result<Json> SqliteStore::settings(const UserId& user) {
  return database_->read(
      [&](Connection& connection) -> Result<Json> { return read_settings(connection, user); });
}

Result<Json> SqliteStore::change_settings(const UserId& user, const SettingsChange& change) {
  return write([&](Connection& connection) -> Result<Json> {
    TRY_VOID(require_user(connection, user));
    return write_settings(connection, user, change, clock_.now());
  });
}

Result<Json> SqliteStore::read_settings(Connection& connection, const UserId& user) const {
  TRY(Statement row, connection.prepare("SELECT document FROM settings WHERE user = ?"));
  TRY(std::optional<Json> found, row.bind(user).one([&](const Statement& at) {
    return personal_->read_json(at, 0, {user, "settings", user, "document"});
  }));
  return found ? *std::move(found) : Json::object();
}

Result<Json> SqliteStore::write_settings(Connection& connection, const UserId& user,
                                         const SettingsChange& change, UnixMillis at) const {
  TRY(const Json stored, read_settings(connection, user));
  TRY(Json settings, change(stored));
  if (!settings.is_object()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("settings are a JSON {}: they must be an object", settings.type_name()),
                "settings");
  }
  TRY(Statement upsert,
      connection.prepare("INSERT INTO settings (user, document, updated) VALUES (?, ?, ?) "
                         "ON CONFLICT (user) DO UPDATE "
                         "SET document = excluded.document, updated = excluded.updated"));
  upsert.bind(user);
  TRY_VOID(personal_->bind_json(upsert, {user, "settings", user, "document"}, settings));
  TRY_VOID(upsert.bind(at).run());
  return settings;
}

}  // namespace rapport::store
