#include "rapport/store/sqlite_database.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "rapport/base/log.h"
#include "rapport/store/migrations.h"
#include "rapport/store/private_files.h"

namespace rapport::store::sqlite {

/// The switch to WAL needs the file alone and does not wait by itself: two processes that open a
/// new database together meet here.
Result<void> switch_to_wal(Connection& connection, std::int32_t busy_timeout_ms) {
  using namespace std::chrono_literals;
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(busy_timeout_ms);
  while (true) {
    const Result<std::string> mode = connection.text_of("PRAGMA journal_mode = WAL");
    if (mode && *mode == "wal") return {};
    if (mode) {
      return fail(ErrorCode::kUnsupported,
                  fmt::format("{} lies where a write-ahead log cannot be kept (journal mode stays "
                              "{}): put the home folder on a local disk",
                              connection.path(), *mode));
    }
    if (mode.error().code != ErrorCode::kUnavailable ||
        std::chrono::steady_clock::now() >= deadline) {
      return fail(mode.error());
    }
    std::this_thread::sleep_for(5ms);
  }
}

Result<void> set_up(Connection& connection, const DatabaseOptions& options) {
  // secure_delete: deleted text is overwritten with zeros. mmap_size: reads up to 64 MiB without a
  // copy, more would only cost address space. A checkpoint costs two fsyncs inside some commit; at
  // 4,000 pages (16 MiB of log) that is one exchange in several hundred.
  return connection.execute(
      fmt::format("PRAGMA synchronous = {};"
                  "PRAGMA foreign_keys = ON;"
                  "PRAGMA secure_delete = ON;"
                  "PRAGMA temp_store = MEMORY;"
                  "PRAGMA mmap_size = 67108864;"
                  "PRAGMA wal_autocheckpoint = 4000;",
                  options.synchronous_full ? "FULL" : "NORMAL"));
}

Result<std::unique_ptr<Database>> Database::open(const DatabaseOptions& options) {
  // Absolute, because SQLite may take a path that begins with "file:" for a URI.
  const std::string path = absolute_path(options.path);
  // Made by us and not by SQLite, which would give it the mode of the umask; the log beside it
  // takes the mode of this file.
  const Result<void> created = create_private_file(path);
  if (!created && created.error().code != ErrorCode::kConflict) return fail(created.error());

  std::unique_ptr<Database> database(new Database);
  database->busy_timeout_ms_ = options.busy_timeout_ms;
  TRY(database->writer_, Connection::open(path, Access::kReadWrite, options.busy_timeout_ms));
  Connection& writer = *database->writer_;
  // Before anything is changed in a file that may not be ours.
  TRY_VOID(schema_version(writer));
  TRY_VOID(set_up(writer, options));
  TRY_VOID(switch_to_wal(writer, options.busy_timeout_ms));
  TRY_VOID(migrate(writer));

  for (std::int32_t i = 0; i < options.readers; ++i) {
    // Opened for writing, because reading a write-ahead log writes to its shared memory.
    TRY(auto reader, Connection::open(path, Access::kReadWrite, options.busy_timeout_ms));
    TRY_VOID(set_up(*reader, options));
    TRY_VOID(reader->execute("PRAGMA query_only = ON"));
    database->idle_readers_.push_back(std::move(reader));
  }
  return database;
}

Result<void> Database::vacuum() {
  const std::lock_guard lock(writing_);
  // In a temporary file: the whole database need not fit into memory.
  TRY_VOID(writer_->execute("PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY"));
  return {};
}

bool Database::scrub_log() {
  const std::lock_guard lock(writing_);
  const Result<std::int64_t> blocked = writer_->integer_of("PRAGMA wal_checkpoint(TRUNCATE)");
  if (blocked && *blocked == 0) return true;
  base::log_warning("deleted text stays in the write-ahead log until its next checkpoint",
                    {{"database", path()}});
  return false;
}

Database::Reader::Reader(Database& from) : database(from) {
  std::unique_lock lock(database.reading_);
  database.reader_returned_.wait(lock, [this] { return !database.idle_readers_.empty(); });
  // The last one returned: its statements and pages are warm.
  connection = std::move(database.idle_readers_.back());
  database.idle_readers_.pop_back();
}

Database::Reader::~Reader() {
  {
    const std::lock_guard lock(database.reading_);
    database.idle_readers_.push_back(std::move(connection));
  }
  database.reader_returned_.notify_one();
}

}  // namespace rapport::store::sqlite
