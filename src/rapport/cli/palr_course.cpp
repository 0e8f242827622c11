#include "rapport/cli/palr_course.h"

#include "rapport/language/model_files.h"

namespace rapport::cli {
namespace {

/// Room for an answer behind the prompt.
constexpr std::int64_t kAnswerTokens = 1024;

}  // namespace

Result<void> assign_options(base::OptionSet& set, const std::vector<std::string>& words,
                            std::string_view command) {
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("--set {}: expected KEY=VALUE; rapport {} --help has the keys", word,
                              command),
                  "set");
    TRY_VOID(set.assign(word.substr(0, equals), word.substr(equals + 1), "--set"));
  }
  return {};
}

std::string options_help(const base::OptionSet& set) {
  std::string text = "\nKeys of --set:\n";
  for (const auto& option : set.options()) {
    text +=
        fmt::format("  {:<30}{}\n", option.key + "=" + shown_value(base::OptionSet::value(option)),
                    option.help);
  }
  return text;
}

void add_set_option(CLI::App* command, std::vector<std::string>& assignments) {
  command->add_option("--set", assignments, "one of the options, as KEY=VALUE; repeatable")
      ->allow_extra_args(false);
}

Course::Course(const Context& context)
    : context_(context), watch_([this](int) { stop_.request_stop(); }) {}

palr::LearningContext Course::learning() {
  return {.clock = clock_,
          .ranker = {.seed = context_.seed,
                     .threads = context_.threads,
                     .on_progress = [this](const palr::RankerProgress& at) { show(at); },
                     .stop_token = stop_.get_token()},
          .stage = [this](std::string_view name, std::int64_t users) {
            return stage(name, users, "users");
          }};
}

retrieval::WorkStep Course::stage(std::string_view name, std::int64_t total, std::string unit) {
  begin(std::string(name), total, std::move(unit));
  return [this, total](double done) -> Result<void> {
    if (stop_.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
    advance_to(static_cast<std::int64_t>(done * static_cast<double>(total)));
    return {};
  };
}

void Course::show(const palr::RankerProgress& at) {
  if (at.round == 1)
    begin(at.is_final ? "ranker, on all its users" : "ranker, to choose its rounds", at.rounds,
          "rounds");
  advance_to(at.round);
}

void Course::begin(std::string what, std::int64_t total, std::string unit) {
  progress_.reset();
  done_ = 0;
  progress_.emplace(std::move(what), total, std::move(unit), clock_,
                    context_.quiet ? base::ProgressStyle::kQuiet : base::default_progress_style());
}

void Course::advance_to(std::int64_t done) {
  if (progress_) progress_->advance(done - done_);
  done_ = done;
}

Result<LoadedModel> load_model(const Context& context, const std::string& name,
                               const std::string& adapter, std::int64_t prompt_tokens,
                               std::int64_t side_by_side) {
  TRY(const language::ModelFile file,
      language::find_model(name, language::model_folders(context.home)));
  language::EmbeddedOptions options;
  options.path = file.path.string();
  options.adapter = adapter;
  options.parallel = side_by_side;
  options.context_tokens = prompt_tokens + kAnswerTokens;
  options.threads = context.threads;
  TRY(auto model, language::EmbeddedModel::load(options));
  return LoadedModel{file.path, std::move(model)};
}

}  // namespace rapport::cli
