// Events and feedback.
#include "rapport/store/sqlite_writing.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::Statement;

Result<Event> SqliteStore::read_event(const Statement& row) const {
  Event event;
  event.id = row.text(0);
  event.user = row.text(1);
  event.kind = row.text(2);
  event.response_id = row.text(3);
  TRY(event.data, personal_->read_json(row, 4, {event.user, "events", event.id, "data"}));
  event.created = row.integer(5);
  return event;
}

Result<void> SqliteStore::write_event(Connection& connection, const Event& event,
                                      UnixMillis at) const {
  TRY(Statement insert,
      connection.prepare("INSERT INTO events (id, user, kind, response_id, data, created) "
                         "VALUES (?, ?, ?, ?, ?, ?)"));
  insert.bind(event.id, event.user, event.kind, event.response_id);
  TRY_VOID(personal_->bind_json(insert, {event.user, "events", event.id, "data"}, event.data));
  return insert.bind(event.created != 0 ? event.created : at).run();
}

Result<void> SqliteStore::add_events(const std::vector<Event>& events) {
  return write([&](Connection& connection) -> Result<void> {
    const UnixMillis now = clock_.now();
    for (const Event& event : events) {
      TRY_VOID(require_user(connection, event.user));
      TRY_VOID(write_event(connection, event, now));
    }
    return {};
  });
}

Result<std::vector<Event>> SqliteStore::events(const UserId& user, Page page) {
  TRY_VOID(check(page));
  return database_->read([&](Connection& connection) -> Result<std::vector<Event>> {
    TRY_VOID(require_user(connection, user));
    TRY(Statement rows,
        connection.prepare("SELECT id, user, kind, response_id, data, created FROM events "
                           "WHERE user = ? ORDER BY created DESC, seq DESC LIMIT ? OFFSET ?"));
    return rows.bind(user, page.limit, page.offset).all([&](const Statement& row) {
      return read_event(row);
    });
  });
}

}  // namespace rapport::store
