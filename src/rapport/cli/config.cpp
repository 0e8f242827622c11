#include <fmt/format.h>

#include <iostream>

#include "rapport/cli/application.h"
#include "rapport/cli/command_line.h"
#include "rapport/server/server.h"

namespace rapport::cli {
namespace {

Result<void> show(Context& context) {
  Configuration configuration;
  base::OptionSet set;
  TRY_VOID(load_configuration(context, configuration, set));
  if (context.json) {
    Json options = Json::object();
    for (const base::OptionSet::Option& option : set.options()) {
      options[option.key] = {{"value", base::OptionSet::value(option)},
                             {"origin", option.origin},
                             {"help", option.help}};
    }
    print_json(context, {{"home", context.home}, {"options", std::move(options)}});
    return {};
  }
  context.out << "# home = " << context.home << "\n\n";
  std::string section;
  for (const base::OptionSet::Option& option : set.options()) {
    const std::size_t dot = option.key.rfind('.');
    const std::string own = option.key.substr(0, dot);
    if (own != section) {
      context.out << (section.empty() ? "" : "\n") << "[" << own << "]\n";
      section = own;
    }
    context.out << fmt::format("# {}\n{} = {}", option.help, option.key.substr(dot + 1),
                               base::dump_json(base::OptionSet::value(option)));
    if (option.origin != "default") context.out << "  # from " << option.origin;
    context.out << '\n';
  }
  return {};
}

Result<void> check(Context& context) {
  Configuration configuration;
  base::OptionSet set;
  TRY_VOID(load_configuration(context, configuration, set));
  TRY_VOID(server::check(configuration.server));
  if (configuration.backend == "remote") {
    base::HttpClient http;
    base::SystemClock clock;
    base::SystemRandom random;
    TRY_VOID(language::RemoteModel::create(configuration.remote, http, clock, random));
  }
  std::size_t changed = 0;
  for (const auto& option : set.options()) changed += option.origin != "default" ? 1 : 0;
  if (context.json) {
    print_json(context, {{"ok", true}, {"options", set.options().size()}, {"changed", changed}});
  } else {
    context.out << fmt::format(
        "the configuration is good: {} of {} options differ from their defaults\n", changed,
        set.options().size());
  }
  return {};
}

}  // namespace

void add_config(CommandLine& line) {
  CLI::App* group = line.add_group("config", "the options in effect");
  line.run(line.add("show", "print every option, its meaning and where its value comes from",
                    "rapport config show --json", group),
           show);
  line.run(line.add("check", "check file, environment and flags",
                    "rapport config check --config rapport.toml", group),
           check);
}

}  // namespace rapport::cli
