#include "rapport/store/sealed_columns.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rapport/base/log.h"

namespace rapport::store::sqlite {
namespace {

// In `meta`: "sealed" is "scrub" between the transaction that seals and the scrubbing behind it,
// "yes" afterwards.
constexpr std::string_view kMark = "SELECT value FROM meta WHERE name = 'sealed'";
constexpr std::int64_t kRowsAtOnce = 500;

struct PlainRow {
  std::string row;
  std::string user;
  std::vector<std::string> texts;
};

Result<std::vector<PlainRow>> rows_after(Connection& connection, const PersonalTable& table,
                                         const std::string& last) {
  TRY(Statement rows,
      connection.prepare(fmt::format(
          "SELECT {0}, coalesce({1}, ''), {2} FROM {3} WHERE {0} > ? ORDER BY {0} "
          "LIMIT {4}",
          table.row, table.user, fmt::join(table.sealed, ", "), table.table, kRowsAtOnce)));
  return rows.bind(last).all([&](const Statement& at) -> Result<PlainRow> {
    PlainRow row{at.text(0), at.text(1), {}};
    for (std::size_t i = 0; i < table.sealed.size(); ++i) {
      row.texts.push_back(at.text(static_cast<int>(i) + 2));
    }
    return row;
  });
}

Result<std::int64_t> seal_table(Connection& connection, const PersonalColumns& personal,
                                const PersonalTable& table) {
  std::int64_t sealed = 0;
  std::string last;
  while (true) {
    TRY(const std::vector<PlainRow> rows, rows_after(connection, table, last));
    if (rows.empty()) return sealed;
    for (const PlainRow& row : rows) {
      TRY(Statement update,
          connection.prepare(fmt::format("UPDATE {} SET {} = ? WHERE {} = ?", table.table,
                                         fmt::join(table.sealed, " = ?, "), table.row)));
      for (std::size_t i = 0; i < table.sealed.size(); ++i) {
        TRY_VOID(
            personal.bind(update, {row.user, table.table, row.row, table.sealed[i]}, row.texts[i]));
      }
      TRY_VOID(update.bind(row.row).run());
    }
    sealed += static_cast<std::int64_t>(rows.size());
    last = rows.back().row;
  }
}

Result<void> set_mark(Connection& connection, std::string_view value) {
  TRY(Statement mark,
      connection.prepare("INSERT INTO meta (name, value) VALUES ('sealed', ?) "
                         "ON CONFLICT (name) DO UPDATE SET value = excluded.value"));
  return mark.bind(value).run();
}

}  // namespace

std::span<const PersonalTable> personal_tables() {
  // Turns have no index of users, traces and exposures only of those without a conversation: an
  // exchange pays for each index.
  constexpr std::string_view kInConversations =
      "conversation IN (SELECT id FROM conversations WHERE user = ?1)";
  constexpr std::string_view kAlsoWithout =
      "conversation IN (SELECT id FROM conversations WHERE user = ?1) "
      "OR (conversation IS NULL AND user = ?1)";
  static const std::vector<PersonalTable> kTables = {
      {"prefixes", "digest", "user", {}},
      {"turns", "id", "user", {"content"}, kInConversations},
      {"traces", "response_id", "user", {"data"}, kAlsoWithout},
      {"exposures", "response_id", "user", {}, kAlsoWithout},
      {"events", "id", "user", {"data"}},
      {"interactions", "id", "user", {"item"}},
      {"jobs", "id", "user", {"payload", "error"}},
      {"conversations", "id", "user", {"name"}},
      {"facts", "id", "user", {"text", "attribute", "value", "evidence"}},
      {"settings", "user", "user", {"document"}},
      {"api_keys", "id", "user", {"user_name"}},
      {"users", "id", "id", {"name"}},
  };
  return kTables;
}

std::string rows_of_user(const PersonalTable& table) {
  return table.of_user.empty() ? fmt::format("{} = ?1", table.user) : std::string(table.of_user);
}

Result<void> seal_database(Database& database, const PersonalColumns& personal,
                           const std::function<Result<void>(Connection&)>& prepare) {
  const auto mark = [](Connection& connection) { return connection.text_of(kMark); };
  TRY(const std::string before, database.read(mark));
  if (before == "yes") return {};
  TRY(const std::int64_t sealed,
      database.write([&](Connection& connection) -> Result<std::int64_t> {
        // Another process may have been first.
        TRY(const std::string now, mark(connection));
        if (!now.empty()) return std::int64_t{now == "yes" ? 0 : 1};
        TRY_VOID(personal.begin_writing());
        TRY_VOID(prepare(connection));
        std::int64_t rows = 0;
        for (const PersonalTable& table : personal_tables()) {
          if (table.sealed.empty()) continue;
          TRY(const std::int64_t some, seal_table(connection, personal, table));
          rows += some;
        }
        TRY_VOID(set_mark(connection, rows == 0 ? "yes" : "scrub"));
        return rows;
      }));
  if (sealed == 0) return {};
  base::log_info("the database is encrypted", {{"database", database.path()}, {"rows", sealed}});
  TRY_VOID(database.vacuum());
  database.scrub_log();
  return database.write([](Connection& connection) { return set_mark(connection, "yes"); });
}

}  // namespace rapport::store::sqlite
