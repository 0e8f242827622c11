#include <fmt/format.h>

#include <iostream>

#include "rapport/cli/application.h"
#include "rapport/cli/command_line.h"
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

}  // namespace

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
}

}  // namespace rapport::cli
