#include "rapport/cli/command_line.h"

#include <fmt/format.h>

#include <cstdlib>
#include <iostream>

#include "rapport/base/files.h"
#include "rapport/base/in_parallel.h"
#include "rapport/base/log.h"
#include "rapport/cli/version.h"

namespace rapport::cli {
namespace {

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<void> set_up_logs(const Context& context) {
  std::string level = context.log_level;
  if (level.empty()) level = "warning";
  if (context.quiet) level = "error";
  TRY(const base::LogLevel parsed, base::parse_log_level(level));
  TRY(const base::LogFormat format,
      base::parse_log_format(context.log_format.empty() ? "human" : context.log_format));
  base::set_up_logging(parsed, format);
  return {};
}

void add_common_options(CLI::App& app, Context& context) {
  app.add_option("--home", context.home, "folder of the database, keys and models (RAPPORT_HOME)");
  app.add_option("--config", context.config,
                 "configuration file (RAPPORT_CONFIG; default <home>/rapport.toml)");
  app.add_option("--set", context.assignments,
                 "set one option of the configuration, as KEY=VALUE; repeatable")
      ->allow_extra_args(false);
  app.add_flag("--json", context.json, "print one JSON document on standard output");
  app.add_flag("--quiet", context.quiet, "no progress, errors only");
  app.add_option("--log-level", context.log_level, "debug, info, warning, error or off");
  app.add_option("--log-format", context.log_format, "human or json");
  app.add_option("--threads", context.threads, "threads to compute with (0: one a core)")
      ->check(CLI::Range(0, 1024));
  app.add_option("--seed", context.seed, "of whatever draws lots: training, samples (1)")
      ->check(CLI::NonNegativeNumber);
}

// The command that was named: the deepest subcommand of those parsed.
const CLI::App* chosen(const CLI::App& app) {
  const CLI::App* command = &app;
  for (auto below = command->get_subcommands(); !below.empty();
       below = command->get_subcommands()) {
    command = below.front();
  }
  return command;
}

}  // namespace

CommandLine::CommandLine()
    : app_("Makes any LLM application personal, on your own machine.", "rapport") {
  app_.set_version_flag("--version", std::string("rapport ") + kVersion);
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.get_formatter()->column_width(34);
  app_.footer("Each command has its own --help with an example.");
}

CLI::App* CommandLine::add(const std::string& name, const std::string& help,
                           const std::string& example, CLI::App* group) {
  CLI::App* command = (group == nullptr ? &app_ : group)->add_subcommand(name, help);
  command->fallthrough();
  command->footer("Example:\n  " + example);
  return command;
}

CLI::App* CommandLine::add_group(const std::string& name, const std::string& help) {
  CLI::App* group = app_.add_subcommand(name, help);
  group->require_subcommand(1);
  group->fallthrough();
  return group;
}

void CommandLine::run(CLI::App* command, Run run) {
  runs_[command] = std::move(run);
}

int CommandLine::main(int argc, const char* const* argv, Context& context) {
  context.home = base::default_home().string();
  context.config = from_environment("RAPPORT_CONFIG");
  add_common_options(app_, context);
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& stopped) {
    // --help and --version are no errors.
    const bool done = stopped.get_exit_code() == 0;
    app_.exit(stopped, context.out, context.err);
    return done ? 0 : 2;
  }
  const auto run = runs_.find(chosen(app_));
  if (run == runs_.end()) return 2;
  // For what looks for models by itself, such as a retriever with a language model in it.
  ::setenv("RAPPORT_HOME", context.home.c_str(), /*overwrite=*/1);
  base::limit_threads(context.threads);
  Result<void> result = set_up_logs(context);
  if (result && context.home.empty()) {
    result =
        fail(ErrorCode::kInvalidArgument, "neither RAPPORT_HOME nor HOME is set: pass --home DIR");
  }
  if (result) result = run->second(context);
  if (result) return 0;
  const Error& error = result.error();
  if (context.json) {
    print_json(context, {{"error",
                          {{"code", std::string(name(error.code))},
                           {"message", error.message},
                           {"param", error.param.empty() ? Json() : Json(error.param)}}}});
  }
  context.err << "rapport: " << base::hide_secrets(error.message) << '\n';
  return 1;
}

std::string shown_value(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string shown;
  for (const Json& each : value) shown += (shown.empty() ? "" : ",") + shown_value(each);
  return shown;
}

void print_json(Context& context, const Json& json) {
  context.out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace rapport::cli
