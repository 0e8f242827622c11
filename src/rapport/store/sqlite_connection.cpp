#include "rapport/store/sqlite_connection.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cassert>

namespace rapport::store::sqlite {

Statement::Statement(Connection& connection, sqlite3_stmt* statement, bool& on_loan)
    : connection_(&connection), statement_(statement), on_loan_(&on_loan) {
  assert(!on_loan && "this statement is still being read");
  on_loan = true;
}

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_),
      statement_(std::exchange(other.statement_, nullptr)),
      on_loan_(other.on_loan_),
      bound_(other.bound_),
      fault_(other.fault_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  // An unfinished read would pin its snapshot, and bound text would stay in memory.
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  *on_loan_ = false;
}

void Statement::keep_first_fault(int code) {
  if (fault_ == SQLITE_OK) fault_ = code;
}

void Statement::bind_next(std::int64_t value) {
  keep_first_fault(sqlite3_bind_int64(statement_, ++bound_, value));
}

void Statement::bind_next(std::int32_t value) {
  bind_next(std::int64_t{value});
}

void Statement::bind_next(double value) {
  keep_first_fault(sqlite3_bind_double(statement_, ++bound_, value));
}

void Statement::bind_next(std::string_view value) {
  // A null pointer would bind NULL; an empty view may hold one.
  keep_first_fault(sqlite3_bind_text64(statement_, ++bound_, value.empty() ? "" : value.data(),
                                       value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::bind_next(const std::optional<std::int64_t>& value) {
  if (value) return bind_next(*value);
  keep_first_fault(sqlite3_bind_null(statement_, ++bound_));
}

void Statement::bind_next(const std::optional<double>& value) {
  if (value) return bind_next(*value);
  keep_first_fault(sqlite3_bind_null(statement_, ++bound_));
}

Statement& Statement::bind_bytes(std::string_view bytes) {
  keep_first_fault(sqlite3_bind_blob64(statement_, ++bound_, bytes.empty() ? "" : bytes.data(),
                                       bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

Result<bool> Statement::step() {
  if (fault_ != SQLITE_OK) return fail(connection_->error(fault_));
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return fail(connection_->error(code));
}

Result<void> Statement::run() {
  TRY([[maybe_unused]] const bool row, step());
  assert(!row && "a statement with rows needs step()");
  return {};
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::optional<std::int64_t> Statement::optional_integer(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return integer(column);
}

double Statement::real(int column) const {
  return sqlite3_column_double(statement_, column);
}

std::optional<double> Statement::optional_real(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return real(column);
}

std::string Statement::text(int column) const {
  // Bytes after the pointer, in this order, as SQLite asks.
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(size));
}

Connection::Connection(std::string path, std::int32_t busy_timeout_ms, sqlite3* handle)
    : path_(std::move(path)), busy_timeout_ms_(busy_timeout_ms), handle_(handle) {}

Connection::~Connection() {
  for (auto& [sql, prepared] : prepared_) sqlite3_finalize(prepared.statement);
  sqlite3_close(handle_);
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, Access access,
                                                     std::int32_t busy_timeout_ms) {
  sqlite3* handle = nullptr;
  const int flags = access == Access::kReadWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
  // NOMUTEX: each connection is used by one thread at a time, which the pool sees to.
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  // SQLite hands out a connection even when opening fails; it carries the reason.
  std::unique_ptr<Connection> connection(new Connection(path, busy_timeout_ms, handle));
  if (code != SQLITE_OK) return fail(connection->error(code));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, busy_timeout_ms);
  return connection;
}

Result<Statement> Connection::prepare(std::string_view sql) {
  auto [entry, is_new] = prepared_.try_emplace(std::string(sql));
  Prepared& prepared = entry->second;
  if (is_new) {
    const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &prepared.statement, nullptr);
    if (code != SQLITE_OK) {
      prepared_.erase(entry);
      return fail(error(code));
    }
  }
  return Statement(*this, prepared.statement, prepared.on_loan);
}

Result<void> Connection::execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(error(code));
  return {};
}

Result<std::int64_t> Connection::integer_of(std::string_view sql) {
  TRY(Statement statement, prepare(sql));
  TRY(const bool row, statement.step());
  return row ? statement.integer(0) : 0;
}

Result<std::string> Connection::text_of(std::string_view sql) {
  TRY(Statement statement, prepare(sql));
  TRY(const bool row, statement.step());
  return row ? statement.text(0) : std::string();
}

std::int64_t Connection::changes() const {
  return sqlite3_changes64(handle_);
}

void Connection::roll_back() {
  // SQLite has already rolled back by itself after some failures (disk full, I/O).
  if (sqlite3_get_autocommit(handle_) == 0) {
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

Error Connection::error(int code) const {
  // SQLite's own message names columns and never a value, so it may be shown.
  const std::string reason = handle_ == nullptr ? "out of memory" : sqlite3_errmsg(handle_);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {.code = ErrorCode::kUnavailable,
              .message = fmt::format("{} is kept locked by another program for more than {} ms: "
                                     "wait for it to finish or stop it, then try again",
                                     path_, busy_timeout_ms_),
              .param = {},
              .reason = "database_busy",
              .retry_after = std::chrono::seconds(1)};
    case SQLITE_NOTADB:
      return {ErrorCode::kCorrupt,
              fmt::format("{} is not a SQLite database: name another file, or put a backup back "
                          "with `rapport restore`",
                          path_)};
    case SQLITE_CORRUPT:
      return {ErrorCode::kCorrupt,
              fmt::format("{} is damaged ({}): put a backup back with `rapport restore`", path_,
                          reason)};
    case SQLITE_FULL:
      return {ErrorCode::kIo, fmt::format("no room to write {}: free some disk space", path_)};
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return {ErrorCode::kIo,
              fmt::format("{} may not be written: check the owner and mode of the file and of its "
                          "folder",
                          path_)};
    case SQLITE_CANTOPEN:
      return {ErrorCode::kIo, fmt::format("{} cannot be opened ({}): check that the folder exists "
                                          "and that this user may read it",
                                          path_, reason)};
    case SQLITE_IOERR:
      return {ErrorCode::kIo,
              fmt::format("reading or writing {} failed ({}): check the disk", path_, reason)};
    case SQLITE_TOOBIG:
      return {ErrorCode::kTooLarge,
              fmt::format("a value is too large to be stored in {}: send less", path_)};
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY) {
        return {ErrorCode::kConflict, fmt::format("already stored in {} ({})", path_, reason)};
      }
      if (code == SQLITE_CONSTRAINT_FOREIGNKEY) {
        return {ErrorCode::kNotFound,
                fmt::format("what this row belongs to is not in {} ({})", path_, reason)};
      }
      [[fallthrough]];
    default:
      return {ErrorCode::kInternal, fmt::format("{}: {} (SQLite code {})", path_, reason, code)};
  }
}

}  // namespace rapport::store::sqlite
