// One program, many commands: each is one file beside this one that adds itself to the command
// line.
//
//   void add_backup(CommandLine& line) {
//     auto options = std::make_shared<BackupOptions>();
//     auto* command = line.add("backup", "copy the database while it is in use", "rapport backup
//     /mnt/rapport.db"); command->add_option("PATH", options->path, "file to write")->required();
//     line.run(command, [options](Context& context) -> Result<void> { … });
//   }
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::cli {

/// What every command may be told, and where it talks. Results go to `out`, all else to `err`.
struct Context {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;

  std::string home;       // --home, else RAPPORT_HOME, else ~/.local/share/rapport
  std::string config;     // --config, else RAPPORT_CONFIG, else <home>/rapport.toml where it exists
  bool json = false;      // one JSON document on `out`, nothing else there
  bool quiet = false;     // no progress, warnings only
  std::string log_level;  // "" takes the command's own default
  std::string log_format;
  std::vector<std::string> assignments;  // --set KEY=VALUE
  std::int64_t threads = 0;              // 0: the configuration's
  std::int64_t seed = 1;                 // of everything that draws lots
};

class CommandLine {
 public:
  using Run = std::function<Result<void>(Context&)>;

  CommandLine();

  /// A command of the program, or of `group` ("keys create"). `example` is shown by --help.
  CLI::App* add(const std::string& name, const std::string& help, const std::string& example,
                CLI::App* group = nullptr);
  /// A word that has commands below it ("keys").
  CLI::App* add_group(const std::string& name, const std::string& help);
  void run(CLI::App* command, Run run);

  /// Exit status: 0 done, 1 failed (one line on `err` says what and what to do), 2 wrong usage.
  int main(int argc, const char* const* argv, Context& context);

 private:
  CLI::App app_;
  std::map<const CLI::App*, Run> runs_;
};

// One a file; main.cpp calls them in the order of --help.
void add_serve(CommandLine& line);
void add_chat(CommandLine& line);
void add_config(CommandLine& line);
void add_models(CommandLine& line);
void add_evaluate(CommandLine& line);
void add_recommend(CommandLine& line);
void add_users(CommandLine& line);
void add_import(CommandLine& line);
void add_facts(CommandLine& line);
void add_keys(CommandLine& line);
void add_backup(CommandLine& line);
void add_data(CommandLine& line);
void add_train(CommandLine& line);
void add_palr(CommandLine& line);

/// The value of an option as --set takes it.
std::string shown_value(const Json& value);

/// Prints one JSON document with a line end.
void print_json(Context& context, const Json& json);

}  // namespace rapport::cli
