// What the commands of `rapport palr` share: their options by --set, and progress that Ctrl-C ends.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rapport/base/config.h"
#include "rapport/base/progress.h"
#include "rapport/cli/command_line.h"
#include "rapport/cli/signals.h"
#include "rapport/language/embedded_model.h"
#include "rapport/palr/learning.h"

namespace rapport::cli {

/// KEY=VALUE words into what `set` describes. `command` is named by errors ("palr train"). Errors:
/// kInvalidArgument, naming the key.
Result<void> assign_options(base::OptionSet& set, const std::vector<std::string>& words,
                            std::string_view command);

/// The keys of --set with their defaults, for --help.
std::string options_help(const base::OptionSet& set);

/// The same of a struct that describes itself.
template <typename Options>
std::string options_help(Options options = {}) {
  base::OptionSet set;
  options.describe(set);
  return options_help(set);
}

/// KEY=VALUE words over `defaults`. Errors: kInvalidArgument, naming the key.
template <typename Options>
Result<Options> read_options(const std::vector<std::string>& words, std::string_view command,
                             Options defaults = {}) {
  base::OptionSet set;
  defaults.describe(set);
  TRY_VOID(assign_options(set, words, command));
  if constexpr (requires { defaults.check(); }) TRY_VOID(defaults.check());
  return defaults;
}

/// Adds the repeatable --set.
void add_set_option(CLI::App* command, std::vector<std::string>& assignments);

/// Progress of each stage on stderr, and an end on Ctrl-C.
class Course {
 public:
  explicit Course(const Context& context);

  palr::LearningContext learning();
  const base::Clock& clock() const { return clock_; }
  std::stop_token stop_token() const { return stop_.get_token(); }

  /// A stage of `total` units begins.
  void begin(std::string what, std::int64_t total, std::string unit);
  void advance_to(std::int64_t done);
  /// The same as a callback, that ends on Ctrl-C.
  retrieval::WorkStep stage(std::string_view name, std::int64_t total, std::string unit);

 private:
  void show(const palr::RankerProgress& at);

  const Context& context_;
  const base::SystemClock clock_;
  std::stop_source stop_;
  SignalWatch watch_;
  std::optional<base::Progress> progress_;
  std::int64_t done_ = 0;
};

/// The one that is asked where none is named.
inline constexpr const char* kAskedModel = "smollm2-135m-instruct-q8_0";

struct LoadedModel {
  std::filesystem::path path;
  std::unique_ptr<language::EmbeddedModel> model;
};

/// For so many questions at a time, with room for the answers behind the prompts. Errors: those of
/// find_model and EmbeddedModel::load.
Result<LoadedModel> load_model(const Context& context, const std::string& name,
                               const std::string& adapter, std::int64_t prompt_tokens,
                               std::int64_t side_by_side = 1);

/// The commands of `group` that ask or tune a language model.
void add_palr_language(CommandLine& line, CLI::App* group);
/// The command of `group` that an embedding model is asked by.
void add_palr_embed(CommandLine& line, CLI::App* group);

}  // namespace rapport::cli
