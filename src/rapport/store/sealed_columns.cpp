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

Result<std::vector<PlainRow>> rows_after(Connection& connection, const SealedTable& table,
                                         const std::string& last) {
  TRY(Statement rows,
      connection.prepare(fmt::format(
          "SELECT {0}, coalesce({1}, ''), {2} FROM {3} WHERE {0} > ? ORDER BY {0} "
          "LIMIT {4}",
          table.row, table.user, fmt::join(table.columns, ", "), table.table, kRowsAtOnce)));
  return rows.bind(last).all([&](const Statement& at) -> Result<PlainRow> {
    PlainRow row{at.text(0), at.text(1), {}};
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      row.texts.push_back(at.text(static_cast<int>(i) + 2));
    }
    return row;
  });
}

Result<std::int64_t> seal_table(Connection& connection, const PersonalColumns& personal,
                                const SealedTable& table) {
  std::int64_t sealed = 0;
  std::string last;
  while (true) {
    TRY(const std::vector<PlainRow> rows, rows_after(connection, table, last));
    if (rows.empty()) return sealed;
    for (const PlainRow& row : rows) {
      TRY(Statement update,
          connection.prepare(fmt::format("UPDATE {} SET {} = ? WHERE {} = ?", table.table,
                                         fmt::join(table.columns, " = ?, "), table.row)));
      for (std::size_t i = 0; i < table.columns.size(); ++i) {
        TRY_VOID(personal.bind(update, {row.user, table.table, row.row, table.columns[i]},
                               row.texts[i]));
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

std::span<const SealedTable> sealed_tables() {
  static const std::vector<SealedTable> kTables = {
      {"users", "id", "id", {"name"}},
      {"settings", "user", "user", {"document"}},
      {"facts", "id", "user", {"text", "attribute", "value", "evidence"}},
      {"conversations", "id", "user", {"name"}},
      {"turns", "id", "user", {"content"}},
      {"traces", "response_id", "user", {"data"}},
      {"events", "id", "user", {"data"}},
      {"jobs", "id", "user", {"payload", "error"}},
      {"api_keys", "id", "user", {"user_name"}},
      {"interactions", "id", "user", {"item"}},
  };
  return kTables;
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
        for (const SealedTable& table : sealed_tables()) {
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
