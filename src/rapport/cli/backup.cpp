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

struct BackupOptions {
  std::string path;
  std::string keys;
};

/// The ring and the users' keys, in the place of what is there: an older copy would still open what
/// was erased since. Not the master key, which would open them.
Result<void> back_up_keys(const fs::path& home, store::UserKeys& user_keys, const fs::path& to) {
  TRY_VOID(base::ensure_directory(to, 0700));
  const fs::path aside = to / ".users.db.new";
  std::error_code error;
  fs::remove(aside, error);
  TRY_VOID(user_keys.copy_to(aside.string()));
  TRY(const std::string ring, base::read_file(store::keys_of(home) / "keyring.json"));
  TRY_VOID(base::write_file_atomically(to / "keyring.json", ring, 0600));
  fs::rename(aside, to / "users.db", error);
  if (!error) return {};
  return fail(ErrorCode::kIo,
              fmt::format("cannot write {}: {}", (to / "users.db").string(), error.message()));
}

// The database is worthless without the keys, and dangerous beside them: they are never put into
// one file.
Result<void> backup(Context& context, const BackupOptions& options) {
  TRY(auto state, open_state(context));
  TRY_VOID(state->store->backup(options.path));
  if (!options.keys.empty()) {
    TRY_VOID(back_up_keys(context.home, *state->user_keys, options.keys));
  }
  const std::string keys = store::keys_of(context.home).string();
  const auto bytes = static_cast<std::int64_t>(fs::file_size(options.path));
  if (context.json) {
    print_json(context, {{"path", options.path},
                         {"bytes", bytes},
                         {"keys", options.keys.empty() ? keys : options.keys}});
    return {};
  }
  context.out << fmt::format("{}: {:.1f} MiB. ", options.path,
                             static_cast<double>(bytes) / (1 << 20));
  if (options.keys.empty()) {
    context.out << fmt::format(
        "It opens only with the keys in {}: back them up with --keys, somewhere else.\n", keys);
  } else {
    context.out << fmt::format(
        "It opens only with the keys in {} and the master key: keep each somewhere else.\n",
        options.keys);
  }
  return {};
}

Result<void> restore(Context& context, const std::string& path) {
  const fs::path home(context.home);
  if (!fs::exists(home)) TRY_VOID(base::ensure_directory(home, 0700));
  const std::string database = store::database_of(home).string();
  const bool replaces = fs::exists(database);
  TRY_VOID(store::restore_backup(path, database));
  // Opening it brings an old schema up to date and refuses another home's keys while the old
  // database is still at hand.
  auto opened = open_state(context);
  if (!opened) {
    Error error = std::move(opened).error();
    if (replaces) {
      std::error_code undone;
      fs::rename(database + ".before-restore", database, undone);
      error.message += undone ? "; the former database is " + database + ".before-restore"
                              : "; the former database is in place again";
    }
    return fail(std::move(error));
  }
  store::seal_former_database(home, *(*opened)->keys, *(*opened)->user_keys, (*opened)->clock,
                              (*opened)->random);
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
  auto to = std::make_shared<BackupOptions>();
  CLI::App* command = line.add("backup", "copy the database, also while the server runs",
                               "rapport backup /mnt/backup/rapport.db");
  command->add_option("PATH", to->path, "file to write; must not exist")->required();
  command->add_option(
      "--keys", to->keys,
      "folder for a copy of the keys, all but the master key; replaces the one that "
      "is there");
  line.run(command, [to](Context& context) { return backup(context, *to); });

  auto from = std::make_shared<std::string>();
  command = line.add("restore", "put a backup in the database's place (stop the server first)",
                     "rapport restore /mnt/backup/rapport.db");
  command->add_option("PATH", *from, "file that `rapport backup` wrote")->required();
  line.run(command, [from](Context& context) { return restore(context, *from); });
}

}  // namespace rapport::cli
