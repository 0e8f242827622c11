// The conversation log: finding, listing, deleting. It grows in sqlite_exchange.cpp.
#include <fmt/format.h>

#include "rapport/store/sqlite_writing.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::Statement;

namespace {

tl::unexpected<Error> no_conversation(const UserId& user, const std::string& id) {
  return fail(ErrorCode::kNotFound, fmt::format("conversation {} of user {} is not known: check "
                                                "the id in the list of conversations",
                                                id, user));
}

}  // namespace

Result<Conversation> SqliteStore::read_conversation(const Statement& row) const {
  Conversation conversation;
  conversation.id = row.text(0);
  conversation.user = row.text(1);
  TRY(conversation.name,
      personal_->read(row, 2, {conversation.user, "conversations", conversation.id, "name"}));
  conversation.turns = row.integer(3);
  conversation.created = row.integer(4);
  conversation.updated = row.integer(5);
  return conversation;
}

Result<Turn> SqliteStore::read_turn(const Statement& row) const {
  Turn turn;
  turn.id = row.text(0);
  turn.conversation = row.text(1);
  turn.user = row.text(2);
  turn.index = row.integer(3);
  turn.role = row.text(4);
  TRY(turn.content, personal_->read(row, 5, {turn.user, "turns", turn.id, "content"}));
  turn.response_id = row.text(6);
  turn.created = row.integer(7);
  return turn;
}

Result<std::optional<Conversation>> SqliteStore::conversation_by_name(const UserId& user,
                                                                      const std::string& name) {
  return database_->read([&](Connection& connection) -> Result<std::optional<Conversation>> {
    TRY(Statement row,
        connection.prepare("SELECT id, user, name, turns, created, updated FROM conversations "
                           "WHERE user = ? AND name_digest = ? ORDER BY seq LIMIT 1"));
    return row.bind(user, index_digest("conversation", user, name)).one([&](const Statement& at) {
      return read_conversation(at);
    });
  });
}

Result<std::optional<Conversation>> SqliteStore::conversation_by_prefix(
    const UserId& user, const std::vector<std::string>& hashes) {
  return database_->read([&](Connection& connection) -> Result<std::optional<Conversation>> {
    for (const std::string& hash : hashes) {
      TRY(Statement row,
          connection.prepare("SELECT c.id, c.user, c.name, c.turns, c.created, c.updated "
                             "FROM prefixes p JOIN conversations c ON c.id = p.conversation "
                             "WHERE p.user = ? AND p.digest = ? "
                             "ORDER BY c.updated DESC, c.seq DESC LIMIT 1"));
      TRY(std::optional<Conversation> found,
          row.bind(user, index_digest("prefix", user, hash)).one([&](const Statement& at) {
            return read_conversation(at);
          }));
      if (found) return found;
    }
    return std::nullopt;
  });
}

Result<std::optional<Conversation>> SqliteStore::conversation_by_response(
    const UserId& user, const std::string& response_id) {
  return database_->read([&](Connection& connection) -> Result<std::optional<Conversation>> {
    TRY(Statement row,
        connection.prepare("SELECT id, user, name, turns, created, updated FROM conversations "
                           "WHERE user = ?1 AND id IN ("
                           "SELECT conversation FROM turns "
                           "WHERE response_id = ?2 AND response_id <> '' "
                           "UNION SELECT conversation FROM traces WHERE response_id = ?2)"));
    return row.bind(user, response_id).one([&](const Statement& at) {
      return read_conversation(at);
    });
  });
}

Result<Conversation> SqliteStore::conversation(const UserId& user, const std::string& id) {
  return database_->read([&](Connection& connection) -> Result<Conversation> {
    TRY(Statement row,
        connection.prepare("SELECT id, user, name, turns, created, updated FROM conversations "
                           "WHERE user = ? AND id = ?"));
    TRY(std::optional<Conversation> found,
        row.bind(user, id).one([&](const Statement& at) { return read_conversation(at); }));
    if (!found) return no_conversation(user, id);
    return *std::move(found);
  });
}

Result<std::vector<Conversation>> SqliteStore::conversations(const UserId& user, Page page) {
  TRY_VOID(check(page));
  return database_->read([&](Connection& connection) -> Result<std::vector<Conversation>> {
    TRY_VOID(require_user(connection, user));
    TRY(Statement rows,
        connection.prepare("SELECT id, user, name, turns, created, updated FROM conversations "
                           "WHERE user = ? ORDER BY updated DESC, seq DESC LIMIT ? OFFSET ?"));
    return rows.bind(user, page.limit, page.offset).all([&](const Statement& row) {
      return read_conversation(row);
    });
  });
}

Result<std::vector<Turn>> SqliteStore::turns(const UserId& user, const std::string& conversation,
                                             Page page) {
  TRY_VOID(check(page));
  TRY_VOID(this->conversation(user, conversation));
  return database_->read([&](Connection& connection) -> Result<std::vector<Turn>> {
    TRY(Statement rows,
        connection.prepare("SELECT id, conversation, user, position, role, content, response_id, "
                           "created FROM turns WHERE conversation = ? AND user = ? "
                           "ORDER BY position, seq LIMIT ? OFFSET ?"));
    return rows.bind(conversation, user, page.limit, page.offset).all([&](const Statement& row) {
      return read_turn(row);
    });
  });
}

Result<void> SqliteStore::delete_conversation(const UserId& user, const std::string& id) {
  const Result<void> deleted = write([&](Connection& connection) -> Result<void> {
    // Feedback holds what was said: the edited answer, the reason. It knows the response only.
    TRY(Statement feedback,
        connection.prepare("DELETE FROM events WHERE user = ?1 AND response_id <> '' "
                           "AND response_id IN ("
                           "SELECT response_id FROM turns WHERE conversation = ?2 "
                           "UNION SELECT response_id FROM traces WHERE conversation = ?2 "
                           "UNION SELECT response_id FROM exposures WHERE conversation = ?2)"));
    TRY_VOID(feedback.bind(user, id).run());
    TRY(Statement prefixes,
        connection.prepare("DELETE FROM prefixes WHERE user = ? AND conversation = ?"));
    TRY_VOID(prefixes.bind(user, id).run());
    TRY(Statement conversation,
        connection.prepare("DELETE FROM conversations WHERE user = ? AND id = ?"));
    TRY_VOID(conversation.bind(user, id).run());
    // The rest goes by the foreign keys.
    if (connection.changes() == 0) return no_conversation(user, id);
    return {};
  });
  if (deleted) database_->scrub_log();
  return deleted;
}

}  // namespace rapport::store
