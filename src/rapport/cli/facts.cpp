#include "rapport/profile/facts.h"

#include <fmt/format.h>

#include <iostream>

#include "rapport/cli/application.h"
#include "rapport/cli/command_line.h"

namespace rapport::cli {
namespace {

struct FactOptions {
  std::string app = "default";
  std::string user;
  std::string text;
  std::string domain;
  bool all = false;
};

std::string line_of(const store::Fact& fact) {
  return fmt::format("{}  {}{}  ({}, {})\n", fact.id, fact.text,
                     fact.status == store::FactStatus::kActive
                         ? ""
                         : fmt::format("  [{}]", store::name(fact.status)),
                     fact.source, base::iso8601(fact.valid_from));
}

Result<void> list(Context& context, const FactOptions& options) {
  TRY(auto state, open_state(context));
  TRY(const auto facts, state->users->facts(options.app, options.user, options.all));
  if (context.json) {
    Json json = Json::array();
    for (const store::Fact& fact : facts) json.push_back(profile::to_json(fact));
    print_json(context, {{"facts", std::move(json)}});
    return {};
  }
  for (const store::Fact& fact : facts) context.out << line_of(fact);
  if (facts.empty()) context.out << "nothing is known of " << options.user << '\n';
  return {};
}

Result<void> add(Context& context, const FactOptions& options) {
  TRY(auto state, open_state(context));
  TRY(const store::Fact fact,
      state->users->add_fact(options.app, options.user, options.text, options.domain));
  if (context.json) {
    print_json(context, profile::to_json(fact));
  } else {
    context.out << line_of(fact);
  }
  return {};
}

Result<void> forget(Context& context, const FactOptions& options) {
  TRY(auto state, open_state(context));
  TRY_VOID(state->users->forget_fact(options.app, options.user, options.text));
  if (context.json) {
    print_json(context, {{"id", options.text}, {"forgotten", true}});
  } else {
    context.out << "forgotten: " << options.text << '\n';
  }
  return {};
}

}  // namespace

void add_facts(CommandLine& line) {
  CLI::App* group = line.add_group("facts", "what is known of a user");
  const auto common = [](CLI::App* command, FactOptions& options) {
    command->add_option("USER", options.user, "the application's name of the user")->required();
    command->add_option("--app", options.app, "application")->capture_default_str();
  };

  auto listed = std::make_shared<FactOptions>();
  CLI::App* command = line.add("list", "the facts about a user", "rapport facts list sam", group);
  common(command, *listed);
  command->add_flag("--all", listed->all, "superseded and forgotten ones too");
  line.run(command, [listed](Context& context) { return list(context, *listed); });

  auto added = std::make_shared<FactOptions>();
  command = line.add("add", "add a fact", "rapport facts add sam \"I'm vegetarian\"", group);
  common(command, *added);
  command->add_option("TEXT", added->text, "the fact, in the user's words")->required();
  command->add_option("--domain", added->domain, "use it in this domain only");
  line.run(command, [added](Context& context) { return add(context, *added); });

  auto forgotten = std::make_shared<FactOptions>();
  command = line.add("forget", "forget a fact: its text is overwritten",
                     "rapport facts forget sam fact_…", group);
  common(command, *forgotten);
  command->add_option("FACT", forgotten->text, "id of the fact")->required();
  line.run(command, [forgotten](Context& context) { return forget(context, *forgotten); });
}

}  // namespace rapport::cli
