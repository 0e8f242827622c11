// The connections to one database file: one that writes, several that read side by side (WAL).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "rapport/store/sqlite_connection.h"

namespace rapport::store::sqlite {

struct DatabaseOptions {
  std::string path;
  bool synchronous_full = false;
  std::int32_t busy_timeout_ms = 5'000;
  std::int32_t readers = 2;
};

/// The settings of every connection of ours: deleted text is overwritten with zeros, foreign keys
/// hold, temporary data stays in memory.
Result<void> set_up(Connection& connection, const DatabaseOptions& options);
/// Waits for the file as long as the options say, which the switch to WAL does not do by itself.
Result<void> switch_to_wal(Connection& connection, std::int32_t busy_timeout_ms);

/// Thread-safe.
class Database {
 public:
  /// Creates the file (mode 0600) when missing, refuses what is not ours, brings the schema up to
  /// date.
  static Result<std::unique_ptr<Database>> open(const DatabaseOptions& options);

  /// Runs `body` alone, in one transaction: committed when it returns a value, undone when it
  /// returns an error. Statements must not outlive `body`.
  template <typename Body>
  std::invoke_result_t<Body&, Connection&> write(Body body) {
    const std::lock_guard lock(writing_);
    return writer_->transaction([&] { return body(*writer_); });
  }

  /// Runs `body` on a connection that cannot write. Statements must not outlive `body`.
  template <typename Body>
  std::invoke_result_t<Body&, Connection&> read(Body body) {
    const Reader reader(*this);
    return body(*reader.connection);
  }

  /// Writes the whole file anew, without the pages that are free: what was in them is gone.
  Result<void> vacuum();

  /// Empties the write-ahead log into the database, so that deleted text is in neither. Does its
  /// best: while another reader still holds an old snapshot, the old text stays in the log until a
  /// later checkpoint; then it is false.
  bool scrub_log();

  const std::string& path() const { return writer_->path(); }
  std::int32_t busy_timeout_ms() const { return busy_timeout_ms_; }

 private:
  struct Reader {
    explicit Reader(Database& from);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    Database& database;
    std::unique_ptr<Connection> connection;
  };

  Database() = default;

  std::int32_t busy_timeout_ms_ = 0;

  std::mutex writing_;
  std::unique_ptr<Connection> writer_;

  std::mutex reading_;
  std::condition_variable reader_returned_;
  std::vector<std::unique_ptr<Connection>> idle_readers_;
};

}  // namespace rapport::store::sqlite
