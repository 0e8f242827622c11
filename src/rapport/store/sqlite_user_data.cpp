// All of one user at once: what an export holds, and an import puts back.
#include <fmt/format.h>

#include "rapport/store/sealed_columns.h"
#include "rapport/store/sqlite_writing.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::Statement;

Result<UserData> SqliteStore::user_data(const UserId& user) {
  return database_->read([&](Connection& connection) -> Result<UserData> {
    // One snapshot: what is written meanwhile is in no part of it.
    TRY_VOID(connection.execute("BEGIN"));
    Result<UserData> data = read_user_data(connection, user);
    connection.roll_back();
    return data;
  });
}

Result<UserData> SqliteStore::read_user_data(Connection& connection, const UserId& user) const {
  UserData data;
  const auto all = [&](auto& rows, std::string_view sql, auto read) -> Result<void> {
    TRY(Statement statement, connection.prepare(sql));
    TRY(rows, statement.bind(user).all([&](const Statement& row) { return (this->*read)(row); }));
    return {};
  };
  {
    TRY_VOID(require_user(connection, user));
    std::vector<User> users;
    TRY_VOID(all(users, "SELECT id, app, name, created, last_seen FROM users WHERE id = ?",
                 &SqliteStore::read_user));
    data.user = std::move(users.front());
  }
  TRY(data.settings, read_settings(connection, user));
  TRY_VOID(all(data.facts,
               "SELECT id, user, text, attribute, value, domain, confidence, source, source_turn, "
               "evidence, valid_from, valid_to, status, superseded_by, created, updated FROM facts "
               "WHERE user = ? ORDER BY created, seq",
               &SqliteStore::read_fact));
  TRY_VOID(all(data.conversations,
               "SELECT id, user, name, turns, created, updated FROM conversations "
               "WHERE user = ? ORDER BY seq",
               &SqliteStore::read_conversation));
  TRY_VOID(all(data.turns,
               "SELECT t.id, t.conversation, t.user, t.position, t.role, t.content, t.response_id, "
               "t.created FROM conversations c JOIN turns t ON t.conversation = c.id "
               "WHERE c.user = ? ORDER BY c.seq, t.position, t.seq",
               &SqliteStore::read_turn));
  TRY_VOID(all(data.interactions,
               "SELECT id, user, catalogue, kind, item, value, response_id, created "
               "FROM interactions WHERE user = ? ORDER BY created, seq",
               &SqliteStore::read_interaction));
  TRY_VOID(all(data.events,
               "SELECT id, user, kind, response_id, data, created FROM events "
               "WHERE user = ? ORDER BY created, seq",
               &SqliteStore::read_event));
  TRY_VOID(
      all(data.exposures,
          "SELECT response_id, user, policy, arm, propensity, created, conversation "
          "FROM exposures WHERE conversation IN (SELECT id FROM conversations WHERE user = ?1) "
          "OR (conversation IS NULL AND user = ?1) ORDER BY created, response_id",
          &SqliteStore::read_exposure));
  TRY_VOID(all(data.traces,
               "SELECT response_id, user, conversation, data, created FROM traces "
               "WHERE conversation IN (SELECT id FROM conversations WHERE user = ?1) "
               "OR (conversation IS NULL AND user = ?1) ORDER BY created, response_id",
               &SqliteStore::read_trace));
  TRY_VOID(all(data.jobs,
               "SELECT id, kind, user, payload, status, attempts, max_attempts, not_before, "
               "progress, error, created, updated FROM jobs WHERE user = ? ORDER BY seq",
               &SqliteStore::read_job));
  return data;
}

Result<void> SqliteStore::put_user_data(const UserData& data, std::optional<ErasureMark> as_of) {
  const User& user = data.user;
  TRY(const RowCounts stored, rows_of(user.id));
  if (!stored.empty()) {
    return fail(ErrorCode::kConflict,
                fmt::format("of user {} something is kept already: erase the user first, or import "
                            "under another name",
                            user.id),
                "user");
  }
  const Result<void> written = write([&](Connection& connection) -> Result<void> {
    const UnixMillis now = clock_.now();
    TRY_VOID(refuse_erased(connection, user.id, as_of));
    TRY(Statement insert,
        connection.prepare("INSERT INTO users (id, app, name, created, last_seen) "
                           "VALUES (?, ?, ?, ?, ?)"));
    insert.bind(user.id, user.app);
    TRY_VOID(personal_->bind(insert, {user.id, "users", user.id, "name"}, user.name));
    TRY_VOID(insert.bind(user.created, user.last_seen).run());
    if (!data.settings.empty()) {
      TRY_VOID(write_settings(
          connection, user.id, [&](const Json&) -> Result<Json> { return data.settings; }, now));
    }
    for (const Fact& fact : data.facts) TRY_VOID(write_fact(connection, fact, fact.updated));
    for (const Conversation& each : data.conversations) {
      TRY_VOID(insert_conversation(connection, each, each.turns, each.created, each.updated));
    }
    for (const Turn& turn : data.turns) TRY_VOID(write_turn(connection, turn, now));
    for (const auto& [conversation, hash] : data.prefixes) {
      TRY_VOID(write_prefix(connection, user.id, conversation, hash));
    }
    for (const Interaction& each : data.interactions) {
      TRY_VOID(write_interaction(connection, each, now));
    }
    for (const Event& event : data.events) TRY_VOID(write_event(connection, event, now));
    for (const Exposure& each : data.exposures) {
      TRY_VOID(write_exposure(connection, each, each.conversation, now));
    }
    for (const TraceRecord& trace : data.traces) TRY_VOID(write_trace(connection, trace, now));
    for (const Job& job : data.jobs) {
      TRY_VOID(write_job(connection, job, job.updated));
      if (job.status == JobStatus::kDone || job.status == JobStatus::kFailed) {
        TRY_VOID(write_ended(connection, job));
      }
    }
    return {};
  });
  // write_fact reports another user's id as itself, the conversation as unknown; the rest by
  // SQLite.
  const bool elsewhere = !written && (written.error().code == ErrorCode::kConflict ||
                                      written.error().code == ErrorCode::kNotFound);
  if (!elsewhere || written.error().reason == "user_erased") return written;
  return fail(ErrorCode::kConflict,
              fmt::format("a part of this data is stored already, of another user: erase that user "
                          "first ({})",
                          written.error().message),
              "user");
}

Result<void> SqliteStore::write_ended(Connection& connection, const Job& job) const {
  TRY(Statement update,
      connection.prepare("UPDATE jobs SET status = ?, attempts = ?, progress = ?, "
                         "error = ?, updated = ? WHERE id = ?"));
  update.bind(name(job.status), job.attempts, job.progress);
  TRY_VOID(personal_->bind(update, {job.user, "jobs", job.id, "error"}, job.error));
  return update.bind(job.updated, job.id).run();
}

}  // namespace rapport::store
