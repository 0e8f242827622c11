// Backup; the way back is restore_backup.h.
#include <fmt/format.h>

#include <filesystem>

#include "rapport/store/database_copy.h"
#include "rapport/store/private_files.h"
#include "rapport/store/sqlite_database.h"
#include "rapport/store/sqlite_store.h"

namespace rapport::store {

Result<void> SqliteStore::backup(const std::string& path) {
  const std::string target = absolute_path(path);
  std::error_code ignored;
  if (std::filesystem::exists(target, ignored)) {
    return fail(ErrorCode::kConflict,
                fmt::format("{} exists already: give the backup a new name", target), "path");
  }
  // A connection of its own: a long copy holds up no reader of the pool.
  TRY(const auto source, sqlite::Connection::open(database_->path(), sqlite::Access::kReadWrite,
                                                  database_->busy_timeout_ms()));
  const std::string aside = target + random_.id(".new_");
  TRY_VOID(sqlite::copy_database(*source, aside));
  return publish_file(aside, target);
}

}  // namespace rapport::store
