#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "rapport/base/files.h"
#include "rapport/cli/application.h"
#include "rapport/cli/command_line.h"
#include "rapport/store/restore_backup.h"

namespace rapport::cli {
namespace {

namespace fs = std::filesystem;

// The database is worthless without the keys, and dangerous beside them: they are never put into
// one file.
Result<void> backup(Context& context, const std::string& path) {
  TRY(auto state, open_state(context));
  TRY_VOID(state->store->backup(path));
  const std::string keys = (fs::path(context.home) / "keys").string();
  const auto bytes = static_cast<std::int64_t>(fs::file_size(path));
  if (context.json) {
    print_json(context, {{"path", path}, {"bytes", bytes}, {"keys", keys}});
  } else {
    context.out << fmt::format(
        "{}: {:.1f} MiB. Keep a copy of {} too, somewhere else: a backup opens only with it.\n",
        path, static_cast<double>(bytes) / (1 << 20), keys);
  }
  return {};
}

Result<void> restore(Context& context, const std::string& path) {
  const fs::path home(context.home);
  if (!fs::exists(home)) TRY_VOID(base::ensure_directory(home, 0700));
  const std::string database = (home / "rapport.db").string();
  const bool replaces = fs::exists(database);
  TRY_VOID(store::restore_backup(path, database));
  // Opening it brings an old schema up to date and refuses another home's keys while the old
  // database is still at hand.
  if (auto opened = open_state(context); !opened) {
    Error error = std::move(opened).error();
    if (replaces) {
      std::error_code undone;
      fs::rename(database + ".before-restore", database, undone);
      error.message += undone ? "; the former database is " + database + ".before-restore"
                              : "; the former database is in place again";
    }
    return fail(std::move(error));
  }
  if (context.json) {
    print_json(context, {{"database", database},
                         {"former", replaces ? Json(database + ".before-restore") : Json()}});
  } else {
    context.out << database << " is restored"
                << (replaces ? "; the former one is " + database + ".before-restore" : "") << '\n';
  }
  return {};
}

}  // namespace

void add_backup(CommandLine& line) {
  auto to = std::make_shared<std::string>();
  CLI::App* command = line.add("backup", "copy the database, also while the server runs",
                               "rapport backup /mnt/backup/rapport.db");
  command->add_option("PATH", *to, "file to write; must not exist")->required();
  line.run(command, [to](Context& context) { return backup(context, *to); });

  auto from = std::make_shared<std::string>();
  command = line.add("restore", "put a backup in the database's place (stop the server first)",
                     "rapport restore /mnt/backup/rapport.db");
  command->add_option("PATH", *from, "file that `rapport backup` wrote")->required();
  line.run(command, [from](Context& context) { return restore(context, *from); });
}

}  // namespace rapport::cli
