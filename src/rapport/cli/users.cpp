#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <string>

#include "rapport/base/files.h"
#include "rapport/cli/application.h"
#include "rapport/cli/command_line.h"
#include "rapport/cli/import.h"
#include "rapport/profile/facts.h"

namespace rapport::cli {
namespace {

struct UserOptions {
  std::string app = "default";
  std::string name;
};

Json to_json(const store::User& user) {
  return {{"id", user.id},
          {"app", user.app},
          {"name", user.name},
          {"created", base::iso8601(user.created)},
          {"last_seen", base::iso8601(user.last_seen)}};
}

// All pages: a command prints everything it was asked for.
template <typename T, typename Read>
Result<std::vector<T>> all_pages(Read read) {
  std::vector<T> all;
  for (store::Page page{1000, 0};; page.offset += page.limit) {
    TRY(std::vector<T> some, read(page));
    const bool last = some.size() < static_cast<std::size_t>(page.limit);
    std::move(some.begin(), some.end(), std::back_inserter(all));
    if (last) return all;
  }
}

Result<void> list(Context& context, const std::string& app) {
  TRY(auto state, open_state(context));
  TRY(const auto users,
      all_pages<store::User>([&](store::Page page) { return state->store->users(app, page); }));
  if (context.json) {
    Json json = Json::array();
    for (const store::User& user : users) json.push_back(to_json(user));
    print_json(context, {{"users", std::move(json)}});
    return {};
  }
  for (const store::User& user : users) {
    context.out << fmt::format("{:<24} {:<12} last seen {}  {}\n", user.name, user.app,
                               base::iso8601(user.last_seen), user.id);
  }
  if (users.empty()) context.out << "no users yet\n";
  return {};
}

Result<void> show(Context& context, const UserOptions& options) {
  TRY(auto state, open_state(context));
  TRY(const store::User user, state->users->find(options.app, options.name));
  TRY(const profile::Settings settings, state->users->settings(options.app, options.name));
  TRY(const std::vector<store::Fact> facts, state->users->facts(options.app, options.name, false));
  TRY(const auto conversations, all_pages<store::Conversation>([&](store::Page page) {
        return state->store->conversations(user.id, page);
      }));
  std::int64_t turns = 0;
  for (const store::Conversation& conversation : conversations) turns += conversation.turns;
  if (context.json) {
    Json json = to_json(user);
    json["settings"] = profile::to_json(settings);
    json["facts"] = Json::array();
    for (const store::Fact& fact : facts) json["facts"].push_back(profile::to_json(fact));
    json["conversations"] = conversations.size();
    json["turns"] = turns;
    print_json(context, json);
    return {};
  }
  context.out << fmt::format(
      "{} of app {} ({})\nsince {}, last seen {}\n{} conversations, {} turns\n", user.name,
      user.app, user.id, base::iso8601(user.created), base::iso8601(user.last_seen),
      conversations.size(), turns);
  context.out << "settings: " << base::dump_json(profile::to_json(settings)) << "\nfacts:\n";
  for (const store::Fact& fact : facts)
    context.out << fmt::format("  {}  {}\n", fact.id, fact.text);
  return {};
}

struct EraseOptions {
  UserOptions user;
  bool yes = false;
  std::string output;
};

Result<void> erase(Context& context, const EraseOptions& options) {
  const std::string& name = options.user.name;
  if (!options.yes) {
    if (context.json || isatty(STDIN_FILENO) != 1) {
      return fail(ErrorCode::kInvalidArgument, "erasing cannot be undone: confirm it with --yes",
                  "yes");
    }
    context.err << fmt::format(
        "All that is kept of {} will be gone for good. Type the name to go on: ", name);
    std::string typed;
    std::getline(context.in, typed);
    if (typed != name) return fail(ErrorCode::kCancelled, "nothing was erased");
  }
  TRY(auto state, open_state(context));
  TRY(const store::UserId user, state->users->id(options.user.app, name));
  TRY(const Json receipt, state->eraser->erase(user));
  if (!options.output.empty()) {
    TRY_VOID(base::write_file_atomically(options.output, receipt.dump(2) + '\n'));
  }
  if (context.json || options.output.empty()) {
    // The receipt itself, to be kept.
    print_json(context, receipt);
  } else {
    context.out << fmt::format("{} is erased; the receipt is {}\n", name, options.output);
  }
  return {};
}

struct VerifyOptions {
  std::string receipt;
  std::string needle;
};

Result<Json> receipt_of(const State& state, const std::string& named) {
  std::error_code ignored;
  if (!std::filesystem::exists(named, ignored)) return state.eraser->receipt(named);
  TRY(const std::string text, base::read_file(named, std::size_t{1} << 20));
  return base::parse_json(text, named);
}

Result<void> verify(Context& context, const VerifyOptions& options) {
  TRY(auto state, open_state(context));
  TRY(const Json receipt, receipt_of(*state, options.receipt));
  TRY(const engine::Verification verified, state->eraser->verify(receipt));
  if (!options.needle.empty()) {
    TRY(const auto files, engine::files_with(context.home, options.needle));
    if (!files.empty()) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("the text is still in {}", fmt::join(files, ", ")), "needle");
    }
  }
  if (context.json) {
    print_json(context, {{"id", receipt["id"]},
                         {"user", receipt["user"]},
                         {"erased", true},
                         {"came_back", verified.came_back},
                         {"receipts", verified.receipts}});
    return {};
  }
  context.out << fmt::format(
      "{}: erased {}; the receipt is unchanged, its chain of {} is whole, {}\n",
      receipt["id"].get<std::string>(), receipt["finished"].get<std::string>(), verified.receipts,
      verified.came_back ? "and what is kept of that name now came afterwards"
                         : "and nothing of the user is left");
  return {};
}

struct ArchiveOptions {
  UserOptions user;
  std::string file;
};

Result<void> export_user(Context& context, const ArchiveOptions& options) {
  TRY(auto state, open_state(context));
  TRY_VOID(base::prepare_output_file(options.file));
  TRY(const std::string zip, state->archives->export_user(options.user.app, options.user.name));
  // Nobody else's to read, as the home is.
  TRY_VOID(base::write_file_atomically(options.file, zip, 0600));
  if (context.json) {
    print_json(context,
               {{"user", options.user.name}, {"path", options.file}, {"bytes", zip.size()}});
  } else {
    context.out << fmt::format(
        "{}: {:.1f} KiB, in clear: keep it where only its user can read it\n", options.file,
        static_cast<double>(zip.size()) / 1024);
  }
  return {};
}

}  // namespace

Result<void> import_archive(Context& context, const std::string& file, const std::string& app,
                            const std::string& user) {
  TRY(auto state, open_state(context));
  TRY(const std::string zip, base::read_file(file));
  std::pair<std::string, std::string> owner{app, user};
  if (user.empty()) {
    TRY(owner, engine::archive_owner(zip));
  }
  TRY(const auto imported, state->archives->import_user(owner.first, owner.second, zip));
  Json counts = Json::object();
  for (const auto& [kind, rows] : imported) counts[kind] = rows;
  if (context.json) {
    print_json(context, {{"user", owner.second}, {"app", owner.first}, {"imported", counts}});
    return {};
  }
  context.out << fmt::format("{} of app {} is here:", owner.second, owner.first);
  for (const auto& [kind, rows] : imported) context.out << fmt::format(" {} {}", rows, kind);
  context.out << '\n';
  return {};
}

void add_users(CommandLine& line) {
  CLI::App* group = line.add_group("users", "who is known");
  auto listed = std::make_shared<std::string>();
  CLI::App* command =
      line.add("list", "all users, those seen last first", "rapport users list", group);
  command->add_option("--app", *listed, "only of this application");
  line.run(command, [listed](Context& context) { return list(context, *listed); });

  auto shown = std::make_shared<UserOptions>();
  command = line.add("show", "what is known of one user", "rapport users show sam", group);
  command->add_option("USER", shown->name, "the application's name of the user")->required();
  command->add_option("--app", shown->app, "application")->capture_default_str();
  line.run(command, [shown](Context& context) { return show(context, *shown); });

  auto exported = std::make_shared<ArchiveOptions>();
  command = line.add("export", "all that is kept of one user, as a zip",
                     "rapport users export sam --output sam.zip", group);
  command->add_option("USER", exported->user.name, "the application's name of the user")
      ->required();
  command->add_option("--app", exported->user.app, "application")->capture_default_str();
  command->add_option("--output", exported->file, "file to write")->required();
  line.run(command, [exported](Context& context) { return export_user(context, *exported); });

  auto imported = std::make_shared<ArchiveOptions>();
  command = line.add("import", "bring back an exported user of whom nothing is kept here",
                     "rapport users import sam.zip", group);
  command->add_option("FILE", imported->file, "what `rapport users export` wrote")->required();
  command->add_option("--user", imported->user.name, "under this name; as exported, unless told");
  command->add_option("--app", imported->user.app, "with --user: application")
      ->capture_default_str();
  line.run(command, [imported](Context& context) {
    return import_archive(context, imported->file, imported->user.app, imported->user.name);
  });

  auto erased = std::make_shared<EraseOptions>();
  command = line.add("erase", "erase one user, also while the server runs; prints a receipt",
                     "rapport users erase sam --output receipt.json", group);
  command->add_option("USER", erased->user.name, "the application's name of the user")->required();
  command->add_option("--app", erased->user.app, "application")->capture_default_str();
  command->add_flag("--yes", erased->yes, "do not ask");
  command->add_option("--output", erased->output, "file for the receipt");
  line.run(command, [erased](Context& context) { return erase(context, *erased); });

  auto verified = std::make_shared<VerifyOptions>();
  command = line.add("verify-erased", "check a receipt, and that nothing of its user is left",
                     "rapport users verify-erased receipt.json", group);
  command->add_option("RECEIPT", verified->receipt, "file of the receipt, or its id")->required();
  command->add_option("--needle", verified->needle,
                      "a text that no file under the home may hold any more");
  line.run(command, [verified](Context& context) { return verify(context, *verified); });
}

}  // namespace rapport::cli
