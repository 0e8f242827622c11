// One SQLite connection, seen through Result: statements are prepared once and kept, values are
// bound in order, a failure becomes an Error that names the database file.
//
//   TRY(Statement rows, connection.prepare("SELECT id, name FROM users WHERE app = ?"));
//   return rows.bind(app).all(read_user);   // read_user: const Statement& → Result<User>
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rapport/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace rapport::store::sqlite {

class Connection;

/// A prepared statement on loan from its connection: reset and handed back when it goes out of
/// scope, which must be before the next `prepare` of the same text.
class Statement {
  template <typename Read>
  using ValueOf = typename std::invoke_result_t<Read&, const Statement&>::value_type;

 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  /// Binds the next parameters. Text is copied.
  template <typename... Values>
  Statement& bind(const Values&... values) {
    (bind_next(values), ...);
    return *this;
  }
  Statement& bind_bytes(std::string_view bytes);

  /// True when a row is there to be read, false at the end.
  Result<bool> step();
  /// For statements without rows.
  Result<void> run();
  /// The next row through `read(const Statement&)`, a function that returns a Result; nothing at
  /// the end.
  template <typename Read, typename Row = ValueOf<Read>>
  Result<std::optional<Row>> one(Read read) {
    TRY(const bool row, step());
    if (!row) return std::nullopt;
    TRY(Row value, read(*this));
    return value;
  }
  /// Every row that is left.
  template <typename Read, typename Row = ValueOf<Read>>
  Result<std::vector<Row>> all(Read read) {
    std::vector<Row> rows;
    while (true) {
      TRY(std::optional<Row> row, one(read));
      if (!row) return rows;
      rows.push_back(*std::move(row));
    }
  }

  std::int64_t integer(int column) const;
  std::optional<std::int64_t> optional_integer(int column) const;
  double real(int column) const;
  std::optional<double> optional_real(int column) const;
  /// Text or bytes; "" for NULL.
  std::string text(int column) const;

 private:
  friend class Connection;
  Statement(Connection& connection, sqlite3_stmt* statement, bool& on_loan);
  void bind_next(std::int64_t value);
  void bind_next(std::int32_t value);
  void bind_next(double value);
  void bind_next(std::string_view value);
  void bind_next(const std::optional<std::int64_t>& value);
  void bind_next(const std::optional<double>& value);
  void keep_first_fault(int code);

  Connection* connection_;
  sqlite3_stmt* statement_;
  bool* on_loan_;
  int bound_ = 0;
  int fault_ = 0;  // of a bind; reported by the next step
};

enum class Access { kReadWrite, kReadOnly };

/// Used by one thread at a time.
class Connection {
 public:
  /// The file must exist. `busy_timeout_ms`: how long a statement waits for another connection's
  /// lock.
  static Result<std::unique_ptr<Connection>> open(const std::string& path, Access access,
                                                  std::int32_t busy_timeout_ms);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// `sql` is one statement. Kept for reuse as long as the connection lives.
  Result<Statement> prepare(std::string_view sql);
  /// Any number of statements without parameters; rows are dropped.
  Result<void> execute(const std::string& sql);
  /// First column of the first row of a PRAGMA or SELECT without parameters.
  Result<std::int64_t> integer_of(std::string_view sql);
  Result<std::string> text_of(std::string_view sql);
  /// Rows touched by the last INSERT, UPDATE or DELETE.
  std::int64_t changes() const;

  /// Runs `body` in one transaction: committed when it returns a value, undone when it returns an
  /// error.
  template <typename Body>
  std::invoke_result_t<Body&> transaction(Body body) {
    // IMMEDIATE, because only a transaction that begins as a writer waits its turn: one that turns
    // into a writer later is refused at once when another process wrote in between.
    TRY_VOID(execute("BEGIN IMMEDIATE"));
    auto result = body();
    if (result) {
      const Result<void> committed = execute("COMMIT");
      if (committed) return result;
      roll_back();
      return fail(committed.error());
    }
    roll_back();
    return result;
  }

  /// Undoes what is open; harmless when nothing is.
  void roll_back();

  /// The error of a SQLite result code on this connection.
  Error error(int code) const;

  const std::string& path() const { return path_; }
  sqlite3* handle() const { return handle_; }

 private:
  Connection(std::string path, std::int32_t busy_timeout_ms, sqlite3* handle);

  struct Prepared {
    sqlite3_stmt* statement = nullptr;
    bool on_loan = false;
  };

  std::string path_;
  std::int32_t busy_timeout_ms_;
  sqlite3* handle_;
  std::unordered_map<std::string, Prepared> prepared_;
};

}  // namespace rapport::store::sqlite
