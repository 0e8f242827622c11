// What users did with items: the history that recommendations rest on.
#include <fmt/format.h>

#include <algorithm>

#include "rapport/store/personal_columns.h"
#include "rapport/store/sqlite_database.h"
#include "rapport/store/sqlite_store.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::Statement;

Result<Interaction> SqliteStore::read_interaction(const Statement& row) const {
  Interaction interaction;
  interaction.id = row.text(0);
  interaction.user = row.text(1);
  interaction.catalogue = row.text(2);
  TRY(interaction.kind, parse_interaction_kind(row.text(3)));
  TRY(interaction.item,
      personal_->read(row, 4, {interaction.user, "interactions", interaction.id, "item"}));
  interaction.value = row.optional_real(5);
  interaction.response_id = row.text(6);
  interaction.created = row.integer(7);
  return interaction;
}

Result<void> SqliteStore::add_interactions(const std::vector<Interaction>& interactions) {
  return database_->write([&](Connection& connection) -> Result<void> {
    const UnixMillis now = clock_.now();
    for (const Interaction& interaction : interactions) {
      TRY_VOID(require_user(connection, interaction.user));
      TRY(Statement insert,
          connection.prepare("INSERT INTO interactions (id, user, catalogue, kind, item, value, "
                             "response_id, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
      insert.bind(interaction.id, interaction.user, interaction.catalogue, name(interaction.kind));
      TRY_VOID(personal_->bind(insert, {interaction.user, "interactions", interaction.id, "item"},
                               interaction.item));
      insert.bind(interaction.value, interaction.response_id,
                  interaction.created != 0 ? interaction.created : now);
      TRY_VOID(insert.run());
    }
    return {};
  });
}

Result<ItemHistory> SqliteStore::item_history(const UserId& user, const std::string& catalogue,
                                              std::int64_t limit) {
  return database_->read([&](Connection& connection) -> Result<ItemHistory> {
    ItemHistory history;
    {
      TRY(Statement rows,
          connection.prepare("SELECT id, user, catalogue, kind, item, value, response_id, created "
                             "FROM interactions WHERE user = ? AND catalogue = ? "
                             "ORDER BY created DESC, seq DESC LIMIT ?"));
      TRY(history.recent, rows.bind(user, catalogue, limit).all([&](const Statement& row) {
        return read_interaction(row);
      }));
    }
    std::reverse(history.recent.begin(), history.recent.end());
    TRY(Statement rows, connection.prepare("SELECT id, item FROM interactions WHERE user = ? AND "
                                           "catalogue = ? AND kind = 'hide'"));
    TRY(history.hidden,
        rows.bind(user, catalogue).all([&](const Statement& row) -> Result<std::string> {
          const std::string id = row.text(0);
          return personal_->read(row, 1, {user, "interactions", id, "item"});
        }));
    return history;
  });
}

Result<std::vector<Interaction>> SqliteStore::interactions(const UserId& user,
                                                           const std::string& catalogue,
                                                           Page page) {
  TRY_VOID(check(page));
  return database_->read([&](Connection& connection) -> Result<std::vector<Interaction>> {
    TRY_VOID(require_user(connection, user));
    TRY(Statement rows,
        connection.prepare("SELECT id, user, catalogue, kind, item, value, response_id, created "
                           "FROM interactions WHERE user = ? AND catalogue = ? "
                           "ORDER BY created DESC, seq DESC LIMIT ? OFFSET ?"));
    return rows.bind(user, catalogue, page.limit, page.offset).all([&](const Statement& row) {
      return read_interaction(row);
    });
  });
}

Result<void> SqliteStore::delete_interaction(const UserId& user, const std::string& id) {
  const Result<void> deleted = database_->write([&](Connection& connection) -> Result<void> {
    TRY(Statement remove, connection.prepare("DELETE FROM interactions WHERE user = ? AND id = ?"));
    TRY_VOID(remove.bind(user, id).run());
    if (connection.changes() != 0) return {};
    return fail(ErrorCode::kNotFound,
                fmt::format("interaction {} of user {} is not known: check the id in the user's "
                            "history",
                            id, user));
  });
  if (deleted) database_->scrub_log();
  return deleted;
}

}  // namespace rapport::store
