// What one answered request leaves behind.
#include <fmt/format.h>

#include "rapport/store/sqlite_writing.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::Statement;

namespace {

/// A repeated id means that the exchange was recorded before; says so instead of naming a column.
Result<void> recorded_once(Result<void> written, std::string_view what, const std::string& id) {
  if (written || written.error().code != ErrorCode::kConflict) return written;
  return fail(ErrorCode::kConflict,
              fmt::format("{} {} is already recorded: do not record it again", what, id));
}

tl::unexpected<Error> no_response(const std::string& response_id) {
  return fail(ErrorCode::kNotFound,
              fmt::format("response {} is not known: it was never recorded or its conversation was "
                          "deleted",
                          response_id));
}

}  // namespace

Result<void> SqliteStore::record_exchange(const Exchange& exchange) {
  TRY_VOID(check(exchange));
  return write([&](Connection& connection) -> Result<void> {
    const UnixMillis now = clock_.now();
    const Conversation& conversation = exchange.conversation;
    // Before anything is sealed, which would make a user who was erased a new key.
    TRY_VOID(refuse_erased(connection, exchange.trace ? exchange.trace->user : conversation.user,
                           exchange.as_of));
    if (!conversation.user.empty()) TRY_VOID(touch_user(connection, conversation.user, now));
    if (!conversation.id.empty()) TRY_VOID(extend_conversation(connection, exchange, now));
    for (const Turn& turn : exchange.turns) TRY_VOID(write_turn(connection, turn, now));
    for (const std::string& hash : exchange.prefix_hashes) {
      TRY_VOID(write_prefix(connection, conversation.user, conversation.id, hash));
    }
    for (const Fact& fact : exchange.facts) TRY_VOID(write_fact(connection, fact, now));
    if (exchange.settings) {
      TRY_VOID(write_settings(connection, conversation.user, exchange.settings, now));
    }
    if (exchange.exposure) {
      TRY_VOID(write_exposure(connection, *exchange.exposure, conversation.id, now));
    }
    if (exchange.trace) TRY_VOID(write_trace(connection, *exchange.trace, now));
    for (const Job& job : exchange.jobs) TRY_VOID(write_job(connection, job, now));
    return {};
  });
}

Result<void> SqliteStore::extend_conversation(Connection& connection, const Exchange& exchange,
                                              UnixMillis at) const {
  const Conversation& conversation = exchange.conversation;
  const auto added = static_cast<std::int64_t>(exchange.turns.size());
  TRY(Statement extend,
      connection.prepare("UPDATE conversations SET turns = turns + ?, updated = ? "
                         "WHERE id = ? AND user = ?"));
  TRY_VOID(extend.bind(added, at, conversation.id, conversation.user).run());
  if (connection.changes() != 0) return {};
  if (conversation.turns > added) {
    return fail(ErrorCode::kNotFound,
                fmt::format("conversation {} of user {} was deleted while its answer was written: "
                            "nothing of the answer is kept",
                            conversation.id, conversation.user));
  }

  return insert_conversation(connection, conversation, added,
                             conversation.created != 0 ? conversation.created : at, at);
}

Result<void> SqliteStore::insert_conversation(Connection& connection,
                                              const Conversation& conversation, std::int64_t turns,
                                              UnixMillis created, UnixMillis updated) const {
  TRY(Statement insert,
      connection.prepare("INSERT INTO conversations (id, user, name, name_digest, turns, created, "
                         "updated) VALUES (?, ?, ?, nullif(?, ''), ?, ?, ?)"));
  insert.bind(conversation.id, conversation.user);
  TRY_VOID(personal_->bind(insert, {conversation.user, "conversations", conversation.id, "name"},
                           conversation.name));
  insert.bind(conversation.name.empty()
                  ? std::string()
                  : index_digest("conversation", conversation.user, conversation.name),
              turns, created, updated);
  const Result<void> inserted = insert.run();
  if (!inserted && inserted.error().code == ErrorCode::kConflict) {
    return fail(ErrorCode::kNotFound,
                fmt::format("conversation {} of user {} is not known: it is another user's",
                            conversation.id, conversation.user));
  }
  return inserted;
}

Result<void> SqliteStore::write_turn(Connection& connection, const Turn& turn,
                                     UnixMillis at) const {
  TRY(Statement insert,
      connection.prepare("INSERT INTO turns (id, conversation, user, position, role, content, "
                         "response_id, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.bind(turn.id, turn.conversation, turn.user, turn.index, turn.role);
  TRY_VOID(personal_->bind(insert, {turn.user, "turns", turn.id, "content"}, turn.content));
  insert.bind(turn.response_id, turn.created != 0 ? turn.created : at);
  return recorded_once(insert.run(), "turn", turn.id);
}

Result<void> SqliteStore::write_prefix(Connection& connection, const UserId& user,
                                       const std::string& conversation,
                                       const std::string& hash) const {
  TRY(Statement insert,
      connection.prepare("INSERT INTO prefixes (user, digest, conversation) VALUES (?, ?, ?) "
                         "ON CONFLICT DO NOTHING"));
  return insert.bind(user, index_digest("prefix", user, hash), conversation).run();
}

Result<void> SqliteStore::write_exposure(Connection& connection, const Exposure& exposure,
                                         const std::string& conversation, UnixMillis at) const {
  TRY(Statement insert,
      connection.prepare("INSERT INTO exposures (response_id, user, conversation, policy, arm, "
                         "propensity, created) VALUES (?, ?, nullif(?, ''), ?, ?, ?, ?)"));
  insert.bind(exposure.response_id, exposure.user, conversation, exposure.policy, exposure.arm,
              exposure.propensity, exposure.created != 0 ? exposure.created : at);
  return recorded_once(insert.run(), "the exposure of response", exposure.response_id);
}

Result<void> SqliteStore::write_trace(Connection& connection, const TraceRecord& trace,
                                      UnixMillis at) const {
  TRY(Statement insert,
      connection.prepare("INSERT INTO traces (response_id, user, conversation, data, created) "
                         "VALUES (?, ?, nullif(?, ''), ?, ?)"));
  insert.bind(trace.response_id, trace.user, trace.conversation);
  TRY_VOID(
      personal_->bind_json(insert, {trace.user, "traces", trace.response_id, "data"}, trace.data));
  insert.bind(trace.created != 0 ? trace.created : at);
  return recorded_once(insert.run(), "the trace of response", trace.response_id);
}

Result<TraceRecord> SqliteStore::read_trace(const Statement& row) const {
  TraceRecord trace;
  trace.response_id = row.text(0);
  trace.user = row.text(1);
  trace.conversation = row.text(2);
  TRY(trace.data, personal_->read_json(row, 3, {trace.user, "traces", trace.response_id, "data"}));
  trace.created = row.integer(4);
  return trace;
}

Result<Exposure> SqliteStore::read_exposure(const Statement& row) const {
  return Exposure{.response_id = row.text(0),
                  .user = row.text(1),
                  .policy = row.text(2),
                  .arm = row.text(3),
                  .propensity = row.real(4),
                  .created = row.integer(5),
                  .conversation = row.text(6)};
}

Result<TraceRecord> SqliteStore::trace(const std::string& response_id) {
  return database_->read([&](Connection& connection) -> Result<TraceRecord> {
    TRY(Statement row, connection.prepare("SELECT response_id, user, conversation, data, created "
                                          "FROM traces WHERE response_id = ?"));
    TRY(auto found, row.bind(response_id).one([&](const Statement& at) { return read_trace(at); }));
    if (!found) return no_response(response_id);
    return *std::move(found);
  });
}

Result<Exposure> SqliteStore::exposure(const std::string& response_id) {
  return database_->read([&](Connection& connection) -> Result<Exposure> {
    TRY(Statement row, connection.prepare("SELECT response_id, user, policy, arm, propensity, "
                                          "created, conversation FROM exposures "
                                          "WHERE response_id = ?"));
    TRY(auto found,
        row.bind(response_id).one([&](const Statement& at) { return read_exposure(at); }));
    if (!found) return no_response(response_id);
    return *std::move(found);
  });
}

}  // namespace rapport::store
