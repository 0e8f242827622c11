// API keys at rest.
#include <fmt/format.h>

#include "rapport/store/sqlite_writing.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::Statement;

Result<ApiKey> SqliteStore::read_key(const Statement& row) const {
  ApiKey key;
  key.id = row.text(0);
  key.digest = row.text(1);
  key.label = row.text(2);
  key.app = row.text(3);
  TRY(key.role, parse_key_role(row.text(4)));
  key.user = row.text(5);
  TRY(key.user_name, personal_->read(row, 6, {key.user, "api_keys", key.id, "user_name"}));
  key.created = row.integer(7);
  key.revoked = row.optional_integer(8);
  return key;
}

Result<void> SqliteStore::add_key(const ApiKey& key) {
  if (key.user.empty() != key.user_name.empty()) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("key {} needs both the id and the name of its user, or neither", key.id),
        "user");
  }
  return write([&](Connection& connection) -> Result<void> {
    TRY(Statement insert,
        connection.prepare("INSERT INTO api_keys (id, digest, label, app, role, user, user_name, "
                           "created, revoked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    insert.bind(key.id, key.digest, key.label, key.app, name(key.role), key.user);
    TRY_VOID(personal_->bind(insert, {key.user, "api_keys", key.id, "user_name"}, key.user_name));
    return insert.bind(key.created != 0 ? key.created : clock_.now(), key.revoked).run();
  });
}

Result<std::optional<ApiKey>> SqliteStore::key_by_digest(const std::string& digest) {
  return database_->read([&](Connection& connection) -> Result<std::optional<ApiKey>> {
    TRY(Statement row,
        connection.prepare("SELECT id, digest, label, app, role, user, user_name, created, revoked "
                           "FROM api_keys WHERE digest = ?"));
    return row.bind(digest).one([&](const Statement& at) { return read_key(at); });
  });
}

Result<std::vector<ApiKey>> SqliteStore::keys() {
  return database_->read([&](Connection& connection) -> Result<std::vector<ApiKey>> {
    TRY(Statement rows,
        connection.prepare("SELECT id, digest, label, app, role, user, user_name, created, revoked "
                           "FROM api_keys ORDER BY seq"));
    return rows.all([&](const Statement& row) { return read_key(row); });
  });
}

Result<void> SqliteStore::revoke_key(const std::string& id) {
  return write([&](Connection& connection) -> Result<void> {
    TRY(Statement revoke,
        connection.prepare("UPDATE api_keys SET revoked = coalesce(revoked, ?) WHERE id = ?"));
    TRY_VOID(revoke.bind(clock_.now(), id).run());
    if (connection.changes() != 0) return {};
    return fail(ErrorCode::kNotFound,
                fmt::format("key {} is not known: check the id in the list of keys", id));
  });
}

}  // namespace rapport::store
