// rapport palr instructions, finetune, score, write, profile: a language model is tuned, and asked,
// about users.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "rapport/base/files.h"
#include "rapport/base/log.h"
#include "rapport/cli/palr_course.h"
#include "rapport/language/model_files.h"
#include "rapport/palr/finetuning.h"
#include "rapport/palr/language_scores.h"
#include "rapport/palr/option_json.h"
#include "rapport/palr/user_profiles.h"
#include "rapport/palr/written_lists.h"

namespace rapport::cli {
namespace {

/// Added to the seed of the lot to measure with, so that it is not the one that was learned from.
constexpr std::int64_t kSeedOfMeasuring = 1'000'003;
/// Answers that are written side by side: eight tokens at once take as long as three apart.
constexpr std::int64_t kSideBySide = 8;

struct Tuning {
  std::string data, output, language_model = kAskedModel;
  std::vector<std::string> models, assignments;
  bool resume = false;
};

/// Who is asked about, by whom.
struct Asking {
  std::string data, output, language_model = kAskedModel, adapter;
  std::vector<std::string> models, assignments;
  std::string split = "validation";
  double fraction = 0;  // 0: of the split
  std::string strata = "activity";
};

struct Profiling {
  Asking asking;
  std::string user;
};

/// What may be set of the examples that a language model is tuned on.
struct ExampleOptions {
  palr::InstructionOptions instructions;
  palr::QuestionOptions question;

  void describe(base::OptionSet& set) {
    instructions.describe(set);
    question.describe(set);
  }
  Result<void> check() {
    question.history = instructions.history;
    question.profile = instructions.profile;
    return instructions.check();
  }
  bool needs_candidates() const { return instructions.task == "recommend_retrieval"; }
};

/// And of the tuning.
struct TuningOptions {
  ExampleOptions examples;
  tuning::LoraOptions lora;

  void describe(base::OptionSet& set) {
    examples.describe(set);
    lora.describe(set);
  }
  Result<void> check() {
    TRY_VOID(examples.check());
    return lora.check();
  }
};

/// What came of a command that wrote `file`: its report, or `text()` for people.
template <typename Text>
void show(Context& context, const std::string& file, Json report, Text&& text) {
  if (context.json) {
    report["file"] = file;
    print_json(context, report);
  } else {
    context.out << text();
  }
}

/// A model beside what it is asked about.
struct Asked {
  data::Dataset dataset;
  std::vector<palr::CandidateSource> sources;
};

Result<Asked> open_data(const std::string& data, const std::vector<std::string>& models,
                        bool needs_models) {
  TRY(data::Dataset dataset, data::Dataset::open(data));
  std::vector<palr::CandidateSource> sources;
  if (needs_models || !models.empty()) {
    TRY(sources, palr::load_sources(models, dataset));
  }
  return Asked{std::move(dataset), std::move(sources)};
}

Result<std::vector<palr::Instruction>> make_instructions(const Context& context, Course& course,
                                                         const Asked& asked,
                                                         const ExampleOptions& options) {
  const auto step = course.stage("instructions", 1000, "thousandths");
  return palr::instructions(asked.dataset, asked.sources, options.instructions, context.seed, step);
}

Result<void> write_instructions(Context& context, const Tuning& command) {
  TRY(const ExampleOptions options,
      read_options<ExampleOptions>(command.assignments, "palr instructions"));
  TRY_VOID(base::prepare_output_file(command.output));
  TRY(const Asked asked, open_data(command.data, command.models, options.needs_candidates()));
  Course course(context);
  TRY(const LoadedModel loaded,
      load_model(context, command.language_model, "", options.question.tokens));
  TRY(const auto questions,
      palr::Questions::create(asked.dataset, *loaded.model, options.question));
  TRY(const auto made, make_instructions(context, course, asked, options));
  std::string lines;
  for (const palr::Instruction& each : made) {
    TRY(const Json example, palr::training_example(each, questions));
    lines += base::dump_json(example) + "\n";
  }
  TRY_VOID(base::write_file_atomically(command.output, lines));
  if (context.json) {
    print_json(context, {{"file", command.output},
                         {"examples", made.size()},
                         {"seed", context.seed},
                         {"options", palr::option_json(options)}});
  } else {
    context.out << fmt::format("{} examples are in {}\n", made.size(), command.output);
  }
  return {};
}

/// The texts to tune on, and the file of the model.
struct TuningTask {
  std::filesystem::path model;
  std::vector<tuning::TrainingText> texts;
};

Result<TuningTask> make_task(const Context& context, Course& course, const Tuning& command,
                             const Asked& asked, const ExampleOptions& options) {
  TRY(const LoadedModel loaded,
      load_model(context, command.language_model, "", options.question.tokens));
  TRY(const auto questions,
      palr::Questions::create(asked.dataset, *loaded.model, options.question));
  TRY(const auto made, make_instructions(context, course, asked, options));
  TRY(auto texts, palr::training_texts(made, questions));
  return TuningTask{loaded.path, std::move(texts)};
}

Result<void> finetune(Context& context, const Tuning& command) {
  TRY(const TuningOptions options,
      read_options<TuningOptions>(command.assignments, "palr finetune"));
  TRY_VOID(base::prepare_output_file(command.output));
  TRY(const Asked asked,
      open_data(command.data, command.models, options.examples.needs_candidates()));
  Course course(context);
  TRY(const TuningTask task, make_task(context, course, command, asked, options.examples));
  const std::filesystem::path checkpoint = command.output + ".checkpoint";
  bool begun = false;
  tuning::TuneContext tune{.clock = course.clock(),
                           .seed = context.seed,
                           .threads = context.threads,
                           .checkpoint = checkpoint,
                           .resume = command.resume,
                           .on_progress =
                               [&](const tuning::TuneProgress& at) {
                                 if (!std::exchange(begun, true))
                                   course.begin("tuning", at.steps, "steps");
                                 course.advance_to(at.step);
                                 if (!context.quiet && at.step % 10 == 0)
                                   context.err << fmt::format(
                                       "step {}/{}  loss {:.4f}  {:.0f} tokens/s\n", at.step,
                                       at.steps, at.loss, at.tokens_per_second);
                               },
                           .stop_token = course.stop_token()};
  TRY(tuning::TunedAdapter tuned, tuning::train_lora(task.model, task.texts, options.lora, tune));
  tuned.adapter.about = palr::about_tuning(asked.dataset, options.examples.instructions,
                                           options.examples.question, options.lora, context.seed);
  tuned.adapter.about["examples"] = task.texts.size();
  tuned.adapter.about["report"] = tuned.report;
  TRY_VOID(tuning::write_adapter(tuned.adapter, command.output));
  std::error_code ignored;
  std::filesystem::remove_all(checkpoint, ignored);
  show(context, command.output, tuned.adapter.about, [&] {
    return fmt::format(
        "{} learned from {} examples in {:.0f} s ({:.0f} tokens/s), loss {:.4f}\n"
        "next: rapport palr score --adapter {}\n",
        command.output, task.texts.size(), tuned.report["seconds"].get<double>(),
        tuned.report["tokens_per_second"].get<double>(), tuned.report["loss"].get<double>(),
        command.output);
  });
  return {};
}

/// Whom to ask, and what the adapter says of itself.
struct Prepared {
  palr::Lot lot;
  std::optional<palr::TunedOn> tuned;
};

/// For validation those that a ranker learns from; users to measure with are drawn by another lot.
Result<Prepared> prepare(const Context& context, const Asking& command,
                         const data::Dataset& dataset, data::Split split) {
  const bool validation = split == data::Split::kValidation;
  const double fraction = command.fraction > 0 ? command.fraction : validation ? 0.2 : 1.0;
  Prepared prepared;
  TRY(prepared.lot,
      palr::draw(dataset, {fraction, command.strata,
                           validation ? context.seed : context.seed + kSeedOfMeasuring}));
  if (command.adapter.empty()) return prepared;
  TRY(prepared.tuned, palr::tuned_on(command.adapter, dataset));
  if (prepared.tuned) {
    TRY(prepared.lot, palr::not_learned(std::move(prepared.lot), dataset, split, *prepared.tuned));
  } else {
    base::log_warning(
        "the adapter does not say what it was tuned on: whether it has learned the "
        "items held out is not known",
        {{"adapter", command.adapter}});
  }
  return prepared;
}

palr::AskingContext asking_context(const Context& context, Course& course,
                                   const Prepared& prepared) {
  return {.clock = course.clock(),
          .seed = context.seed,
          .tuned = prepared.tuned ? prepared.tuned->to_json() : Json(),
          .on_progress = [&course](std::int64_t done) { course.advance_to(done); },
          .stop_token = course.stop_token()};
}

/// Asked as it was tuned, unless --set says otherwise.
palr::LanguageScoreOptions score_defaults(const std::optional<palr::TunedOn>& tuned) {
  palr::LanguageScoreOptions options;
  if (!tuned) return options;
  options.question = tuned->question;
  options.asked = tuned->instructions.answers;
  if (tuned->instructions.task == "recommend_retrieval") {
    options.ask = "letters";
    options.candidates = tuned->instructions.candidates;
  }
  return options;
}

palr::WrittenListOptions list_defaults(const std::optional<palr::TunedOn>& tuned) {
  palr::WrittenListOptions options;
  if (tuned) options.question = tuned->question;
  return options;
}

Result<void> score(Context& context, const Asking& command) {
  TRY(const data::Split split, data::parse_split(command.split));
  TRY_VOID(base::prepare_output_file(command.output));
  TRY(const Asked asked, open_data(command.data, command.models, true));
  TRY(const Prepared prepared, prepare(context, command, asked.dataset, split));
  TRY(const auto options,
      read_options(command.assignments, "palr score", score_defaults(prepared.tuned)));
  Course course(context);
  TRY(const LoadedModel loaded,
      load_model(context, command.language_model, command.adapter, options.question.tokens));
  course.begin("asking " + loaded.model->models().front().id,
               static_cast<std::int64_t>(prepared.lot.users.size()), "users");
  TRY(const Json report,
      palr::score_users(asked.dataset, asked.sources, split, prepared.lot, *loaded.model,
                        palr::PoolOptions{}, options, command.output,
                        asking_context(context, course, prepared)));
  show(context, command.output, report, [&] {
    return fmt::format(
        "{} has the scores of {} users, {} of them new; {:.1f} candidates each, in which {:.4f} of "
        "the items held out are\n",
        command.output, report["users"].get<std::int64_t>(), report["asked"].get<std::int64_t>(),
        report["candidates"].get<double>(), report["found"].get<double>());
  });
  return {};
}

Result<void> write_lists(Context& context, const Asking& command) {
  TRY(const data::Split split, data::parse_split(command.split));
  TRY_VOID(base::prepare_output_file(command.output));
  TRY(const data::Dataset dataset, data::Dataset::open(command.data));
  TRY(const Prepared prepared, prepare(context, command, dataset, split));
  TRY(const auto options,
      read_options(command.assignments, "palr write", list_defaults(prepared.tuned)));
  Course course(context);
  TRY(const LoadedModel loaded, load_model(context, command.language_model, command.adapter,
                                           options.question.tokens, kSideBySide));
  course.begin(loaded.model->models().front().id + " writes",
               static_cast<std::int64_t>(prepared.lot.users.size()), "users");
  TRY(const Json report,
      palr::write_lists(dataset, split, prepared.lot, *loaded.model, kSideBySide, options,
                        command.output, asking_context(context, course, prepared)));
  show(context, command.output, report, [&] {
    const auto figure = [&](const char* name) { return report[name].get<double>(); };
    return fmt::format(
        "{} has the lists of {} users, {} of them new: {:.1f} names each, of which {:.1f} % mean "
        "no "
        "item, {:.1f} % one taken already, {:.1f} % one named before\n{}: HR@10 {:.4f}, NDCG@10 "
        "{:.4f}\n",
        command.output, report["users"].get<std::int64_t>(), report["written"].get<std::int64_t>(),
        figure("names"), 100 * figure("hallucinated"), 100 * figure("taken"),
        100 * figure("repeated"), data::name(split), figure("hr@10"), figure("ndcg@10"));
  });
  return {};
}

constexpr std::size_t kShownEvidence = 4;  // newest items; --json has all

/// One user's, on the terminal.
void show_profile(Context& context, const data::Dataset& dataset,
                  const palr::UserProfile& profile) {
  const auto show = [&](const char* heading, const std::vector<palr::PreferenceKeyword>& part) {
    if (part.empty()) return;
    context.out << heading << "\n";
    for (const palr::PreferenceKeyword& each : part) {
      context.out << fmt::format("  {} ({}), from {} of the items:\n", each.text, each.kind,
                                 each.evidence.size());
      const auto newest =
          std::span(each.evidence).last(std::min(each.evidence.size(), kShownEvidence));
      for (const data::ItemIndex item : newest)
        context.out << fmt::format("    {}\n", dataset.catalogue().title(item));
    }
  };
  show("what lasts", profile.lasting);
  show("what is new", profile.recent);
  if (profile.lasting.empty())
    context.out << "nothing that the history bears out: it is too short, or too mixed\n";
}

/// Errors: kNotFound.
Result<data::UserIndex> find_user(const data::Dataset& dataset, const std::string& id) {
  const auto user = dataset.people().find(id);
  if (!user)
    return fail(
        ErrorCode::kNotFound,
        fmt::format("{} has no user \"{}\" among its {}", dataset.name(), id, dataset.users()),
        "user");
  return *user;
}

Result<void> profile_one(Context& context, const Profiling& command, const data::Dataset& dataset,
                         const palr::ProfileOptions& options, language::EmbeddedModel* model,
                         std::stop_token stop_token) {
  TRY(const data::UserIndex user, find_user(dataset, command.user));
  const palr::Vocabulary vocabulary = palr::mine_vocabulary(dataset, {});
  TRY(const auto profiler, palr::Profiler::create(dataset, vocabulary, model, options));
  TRY(const palr::UserProfile found,
      profiler.profile(dataset.history(user), std::move(stop_token)));
  if (context.json) {
    Json json = palr::to_json(found, dataset.catalogue());
    json["user"] = command.user;
    print_json(context, json);
  } else {
    show_profile(context, dataset, found);
  }
  return {};
}

Result<void> profile(Context& context, const Profiling& command) {
  const Asking& asking = command.asking;
  TRY(const auto options, read_options<palr::ProfileOptions>(asking.assignments, "palr profile"));
  if (command.user.empty() == asking.output.empty())
    return fail(ErrorCode::kInvalidArgument,
                "name a --user to be shown, or an --output for the profiles of many", "user");
  TRY(const data::Split split, data::parse_split(asking.split));
  if (!asking.output.empty()) TRY_VOID(base::prepare_output_file(asking.output));
  TRY(const data::Dataset dataset, data::Dataset::open(asking.data));
  Course course(context);
  LoadedModel loaded;
  if (options.asks_a_model()) {
    TRY(loaded,
        load_model(context, asking.language_model, asking.adapter, options.question.tokens));
  }
  if (!command.user.empty())
    return profile_one(context, command, dataset, options, loaded.model.get(), course.stop_token());
  TRY(const Prepared prepared, prepare(context, asking, dataset, split));
  course.begin("profiles", static_cast<std::int64_t>(prepared.lot.users.size()), "users");
  TRY(const Json report,
      palr::profile_users(dataset, split, prepared.lot, loaded.model.get(), options, asking.output,
                          asking_context(context, course, prepared)));
  show(context, asking.output, report, [&] {
    return fmt::format(
        "{} has the profiles of {} users, {} of them new: {:.1f} keywords each, {:.1f} % of which "
        "the item held out has ({:.1f} % of the best supported)\n",
        asking.output, report["users"].get<std::int64_t>(), report["profiled"].get<std::int64_t>(),
        report["keywords"].get<double>(), 100 * report["borne_out"].get<double>(),
        100 * report["borne_out_by_support"].get<double>());
  });
  return {};
}

void add_models_option(CLI::App* command, std::vector<std::string>& models, const char* help) {
  command->add_option("--models", models, help)->delimiter(',');
}

void add_tuning_options(CLI::App* command, Tuning& tuning) {
  command->add_option("--data", tuning.data, "data set (of rapport data prepare)")->required();
  add_models_option(
      command, tuning.models,
      "model directories (of rapport train) that candidates come from; task=recommend "
      "needs none");
  command
      ->add_option("--language-model", tuning.language_model,
                   "GGUF file, or the name of one (rapport models list)")
      ->capture_default_str();
  add_set_option(command, tuning.assignments);
}

/// Returns --output, which is for most to be required.
CLI::Option* add_asking_options(CLI::App* command, Asking& asking) {
  command->add_option("--data", asking.data, "data set (of rapport data prepare)")->required();
  command
      ->add_option("--language-model", asking.language_model,
                   "GGUF file, or the name of one (rapport models list)")
      ->capture_default_str();
  command->add_option("--adapter", asking.adapter,
                      "GGUF file of a LoRA adapter (of rapport palr finetune)");
  CLI::Option* const output =
      command->add_option("--output", asking.output,
                          "file of answers; what is in it is not asked again, so it goes on");
  command
      ->add_option("--split", asking.split,
                   "validation (users that rankers learn from) or test (users to measure with)")
      ->capture_default_str();
  command
      ->add_option("--fraction", asking.fraction,
                   "of the users; 0.2 for validation, else all of them")
      ->check(CLI::Range(1e-6, 1.0));
  command->add_option("--strata", asking.strata, "what they are drawn by")->capture_default_str();
  add_set_option(command, asking.assignments);
  return output;
}

}  // namespace

void add_palr_language(CommandLine& line, CLI::App* group) {
  auto to_write = std::make_shared<Tuning>();
  CLI::App* command = line.add("instructions", "write what a language model is tuned on",
                               "rapport palr instructions --data datasets/ml-1m --output "
                               "train.jsonl --set task=recommend\n" +
                                   options_help<ExampleOptions>(),
                               group);
  add_tuning_options(command, *to_write);
  command->add_option("--output", to_write->output, "JSONL file of chat messages")->required();
  line.run(command,
           [to_write](Context& context) { return write_instructions(context, *to_write); });

  auto to_tune = std::make_shared<Tuning>();
  command = line.add("finetune", "tune a language model: a LoRA adapter",
                     "rapport palr finetune --data datasets/ml-1m --output ml-1m.gguf --set "
                     "task=recommend --set windows=4 --set layers=15\n" +
                         options_help<TuningOptions>(),
                     group);
  add_tuning_options(command, *to_tune);
  command->add_option("--output", to_tune->output, "the adapter's GGUF file")->required();
  command->add_flag("--resume", to_tune->resume, "go on where it was stopped");
  line.run(command, [to_tune](Context& context) { return finetune(context, *to_tune); });

  auto to_score = std::make_shared<Asking>();
  command = line.add("score", "ask a language model about users' candidates, once for all rankers",
                     "rapport palr score --data datasets/ml-1m --models models/sasrec --adapter "
                     "ml-1m.gguf --output ml-1m-scores.jsonl --split validation\n" +
                         options_help<palr::LanguageScoreOptions>(),
                     group);
  add_models_option(command, to_score->models,
                    "model directories (of rapport train) that candidates come from");
  add_asking_options(command, *to_score)->required();
  line.run(command, [to_score](Context& context) { return score(context, *to_score); });

  auto to_list = std::make_shared<Asking>();
  command = line.add("write", "let a language model write lists freely; count what it makes up",
                     "rapport palr write --data datasets/ml-1m --adapter ml-1m.gguf --output "
                     "ml-1m-lists.jsonl --split test --fraction 0.1\n" +
                         options_help<palr::WrittenListOptions>(),
                     group);
  add_asking_options(command, *to_list)->required();
  line.run(command, [to_list](Context& context) { return write_lists(context, *to_list); });

  auto to_profile = std::make_shared<Profiling>();
  command = line.add("profile", "what users like, in keywords with the items they come from",
                     "rapport palr profile --data datasets/ml-1m --user 42\n" +
                         options_help<palr::ProfileOptions>(),
                     group);
  command->add_option("--user", to_profile->user, "show this one's, of the whole history");
  add_asking_options(command, to_profile->asking);
  line.run(command, [to_profile](Context& context) { return profile(context, *to_profile); });
}

}  // namespace rapport::cli
