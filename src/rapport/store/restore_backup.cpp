#include "rapport/store/restore_backup.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <filesystem>

#include "rapport/store/database_copy.h"
#include "rapport/store/migrations.h"
#include "rapport/store/private_files.h"

namespace rapport::store {
namespace {

using sqlite::Access;
using sqlite::Connection;

constexpr std::int32_t kBusyTimeoutMs = 2'000;

Result<void> check_is_ours(Connection& backup) {
  TRY(const std::int64_t version, sqlite::schema_version(backup));
  if (version > 0) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("{} is empty and no backup of Rapport's: name a file that `rapport backup` "
                  "wrote",
                  backup.path()));
}

Result<void> check_is_whole(const std::string& copy, const std::string& from) {
  TRY(const auto connection, Connection::open(copy, Access::kReadOnly, kBusyTimeoutMs));
  TRY(const std::string verdict, connection->text_of("PRAGMA integrity_check(1)"));
  TRY(const std::string orphan, connection->text_of("PRAGMA foreign_key_check"));
  if (verdict == "ok" && orphan.empty()) return {};
  return fail(
      ErrorCode::kCorrupt,
      fmt::format("{} is damaged ({}): use another backup", from,
                  verdict == "ok" ? "a row of " + orphan + " has lost its owner" : verdict));
}

/// Ends the log of the database that is to be replaced, so that the file alone is all of it. That
/// needs the file for itself, and so tells whether anybody has it open.
Result<void> close_log(const std::string& path) {
  TRY(const auto connection, Connection::open(path, Access::kReadWrite, kBusyTimeoutMs));
  // Where that fails, the log must not be played into a damaged file when the connection closes.
  sqlite3_db_config(connection->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  const Result<std::string> mode = connection->text_of("PRAGMA journal_mode = DELETE");
  if (mode) return {};
  if (mode.error().code == ErrorCode::kUnavailable) {
    return fail(
        ErrorCode::kUnavailable,
        fmt::format("{} is in use: stop `rapport serve` and whatever else has it open, then "
                    "restore again",
                    path));
  }
  // A damaged database is why one restores: its log is kept beside it for whoever wants to repair
  // it.
  if (mode.error().code == ErrorCode::kCorrupt) return {};
  return fail(mode.error());
}

Result<void> swap_in(const std::string& copy, const std::string& to) {
  namespace fs = std::filesystem;
  const std::string kept = to + ".before-restore";
  std::error_code error;
  if (fs::exists(to, error)) {
    fs::remove(kept, error);
    fs::remove(kept + "-wal", error);
    // A second name and not a rename: at no moment is there no database, which a server that starts
    // just then would take for a new home.
    fs::create_hard_link(to, kept, error);
    if (!error && fs::exists(to + "-wal", error)) fs::rename(to + "-wal", kept + "-wal", error);
  }
  // A log left behind would be played into the new file.
  if (!error) fs::remove(to + "-wal", error);
  if (!error) fs::remove(to + "-shm", error);
  if (!error) fs::rename(copy, to, error);
  if (error) {
    return fail(ErrorCode::kIo,
                fmt::format("cannot put the backup in the place of {}: {}; check the "
                            "mode of its folder",
                            to, error.message()));
  }
  return sync_folder_of(to);
}

}  // namespace

Result<void> restore_backup(const std::string& from, const std::string& to) {
  namespace fs = std::filesystem;
  const std::string source = absolute_path(from);
  const std::string target = absolute_path(to);
  std::error_code ignored;
  if (!fs::exists(source, ignored)) {
    return fail(ErrorCode::kNotFound, fmt::format("no backup {}: check the path", source));
  }
  if (fs::equivalent(source, target, ignored)) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is the database itself: name a file that `rapport backup` wrote", source));
  }

  const std::string copy = target + ".restoring";
  fs::remove(copy, ignored);  // of a restore that was killed
  {
    TRY(const auto backup, Connection::open(source, Access::kReadOnly, kBusyTimeoutMs));
    TRY_VOID(check_is_ours(*backup));
    TRY_VOID(sqlite::copy_database(*backup, copy));
  }
  Result<void> ready = check_is_whole(copy, source);
  if (ready && fs::exists(target, ignored)) ready = close_log(target);
  if (ready) ready = swap_in(copy, target);
  if (!ready) fs::remove(copy, ignored);
  return ready;
}

}  // namespace rapport::store
