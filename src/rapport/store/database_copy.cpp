#include "rapport/store/database_copy.h"

#include <sqlite3.h>
#include <unistd.h>

#include "rapport/store/private_files.h"

namespace rapport::store::sqlite {
namespace {

constexpr std::int32_t kBusyTimeoutMs = 5'000;

Result<void> copy_pages(Connection& from, Connection& to) {
  sqlite3_backup* backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (backup == nullptr) return fail(to.error(sqlite3_errcode(to.handle())));
  // All pages in one step: it reads one snapshot, and a log lets writers go on beside it. Step by
  // step it would begin anew after each commit of theirs, without end on a busy server.
  const int stepped = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (stepped == SQLITE_DONE && finished == SQLITE_OK) return {};
  const int code = finished != SQLITE_OK ? finished : stepped;
  // Where the fault lies decides which file the error names.
  return fail(sqlite3_errcode(from.handle()) == code ? from.error(code) : to.error(code));
}

}  // namespace

Result<void> copy_database(Connection& from, const std::string& to) {
  TRY_VOID(create_private_file(to));
  const Result<void> copied = [&]() -> Result<void> {
    TRY(const auto target, Connection::open(to, Access::kReadWrite, kBusyTimeoutMs));
    TRY_VOID(copy_pages(from, *target));
    // The copy says of itself that it has a log; as a single file it must not.
    return target->execute("PRAGMA journal_mode = DELETE");
  }();
  if (!copied) ::unlink(to.c_str());
  return copied;
}

}  // namespace rapport::store::sqlite
