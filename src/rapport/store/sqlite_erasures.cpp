// Removing all that names a user.
#include <fmt/format.h>

#include "rapport/store/sealed_columns.h"
#include "rapport/store/sqlite_writing.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::PersonalTable;
using sqlite::Statement;

namespace {

Json as_json(const RowCounts& counts) {
  Json json = Json::object();
  for (const auto& [table, rows] : counts) json[table] = rows;
  return json;
}

Result<RowCounts> parse_counts(const std::string& text) {
  TRY(const Json json, base::parse_json(text, "erased.counts"));
  RowCounts counts;
  for (const auto& [table, rows] : json.items()) counts[table] = rows.get<std::int64_t>();
  return counts;
}

Result<RowCounts> remove_rows(Connection& connection, const UserId& user) {
  RowCounts counts;
  for (const PersonalTable& table : sqlite::personal_tables()) {
    TRY(Statement remove, connection.prepare(fmt::format("DELETE FROM {} WHERE {}", table.table,
                                                         sqlite::rows_of_user(table))));
    TRY_VOID(remove.bind(user).run());
    if (connection.changes() != 0) counts[std::string(table.table)] = connection.changes();
  }
  return counts;
}

}  // namespace

Result<void> SqliteStore::refuse_erased(Connection& connection, const UserId& user,
                                        const std::optional<ErasureMark>& as_of) const {
  if (!as_of || user.empty()) return {};
  TRY(Statement erased, connection.prepare("SELECT 1 FROM erased WHERE user = ? AND seq > ?"));
  TRY(const bool found, erased.bind(user, *as_of).step());
  if (!found) return {};
  return fail(ErrorCode::kConflict,
              fmt::format("user {} was erased meanwhile: nothing of the request is kept", user), "",
              "user_erased");
}

Result<ErasureMark> SqliteStore::erasure_mark() {
  return database_->read([](Connection& connection) {
    return connection.integer_of("SELECT seq FROM erased ORDER BY seq DESC LIMIT 1");
  });
}

Result<RowCounts> SqliteStore::erase_user(const UserId& user, std::int64_t seq) {
  TRY(const RowCounts counts, write([&](Connection& connection) -> Result<RowCounts> {
        {
          TRY(Statement before,
              connection.prepare("SELECT counts FROM erased WHERE user = ? AND seq = ?"));
          TRY(const bool done, before.bind(user, seq).step());
          if (done) return parse_counts(before.text(0));
        }
        TRY(RowCounts removed, remove_rows(connection, user));
        TRY(Statement note,
            connection.prepare("INSERT INTO erased (seq, user, counts) VALUES (?, ?, ?)"));
        TRY_VOID(note.bind(seq, user, base::dump_json(as_json(removed))).run());
        return removed;
      }));
  if (database_->scrub_log()) return counts;
  return fail(Error{.code = ErrorCode::kUnavailable,
                    .message = fmt::format("the log of {} cannot be emptied while another program "
                                           "reads it: the erasure goes on at the next start",
                                           database_->path()),
                    .param = {},
                    .reason = "database_busy",
                    .retry_after = std::chrono::seconds(1)});
}

Result<std::vector<std::pair<UserId, std::int64_t>>> SqliteStore::not_erased(
    const std::vector<std::pair<UserId, std::int64_t>>& erasures) {
  using Erasures = std::vector<std::pair<UserId, std::int64_t>>;
  return database_->read([&](Connection& connection) -> Result<Erasures> {
    Erasures missing;
    for (const auto& [user, seq] : erasures) {
      TRY(Statement row, connection.prepare("SELECT 1 FROM erased WHERE user = ? AND seq = ?"));
      TRY(const bool done, row.bind(user, seq).step());
      if (!done) missing.emplace_back(user, seq);
    }
    return missing;
  });
}

Result<RowCounts> SqliteStore::rows_of(const UserId& user) {
  return database_->read([&](Connection& connection) -> Result<RowCounts> {
    RowCounts counts;
    for (const PersonalTable& table : sqlite::personal_tables()) {
      TRY(Statement rows,
          connection.prepare(fmt::format("SELECT count(*) FROM {} WHERE {}", table.table,
                                         sqlite::rows_of_user(table))));
      TRY([[maybe_unused]] const bool row, rows.bind(user).step());
      if (rows.integer(0) != 0) counts[std::string(table.table)] = rows.integer(0);
    }
    return counts;
  });
}

}  // namespace rapport::store
