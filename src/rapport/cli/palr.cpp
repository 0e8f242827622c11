#include <fmt/format.h>

#include <optional>

#include "rapport/cli/palr_course.h"
#include "rapport/palr/fused_evaluation.h"
#include "rapport/palr/ranking_evaluation.h"

namespace rapport::cli {
namespace {

/// Files of a language model's answers, and what was read of them.
struct Answers {
  std::string scores_path, profiles_path;

  std::optional<palr::LanguageScores> scores = {};
  std::optional<palr::UserProfiles> profiles = {};

  Result<void> open(const data::Dataset& dataset) {
    if (!scores_path.empty()) {
      TRY(scores, palr::LanguageScores::open(scores_path, dataset));
    }
    if (!profiles_path.empty()) {
      TRY(profiles, palr::UserProfiles::open(profiles_path, dataset));
    }
    return {};
  }
  palr::LanguageAnswers pointers() const {
    return {.scores = scores ? &*scores : nullptr, .profiles = profiles ? &*profiles : nullptr};
  }
  void add_options(CLI::App* command) {
    command->add_option("--language-scores", scores_path,
                        "what a language model said of users' candidates (of rapport palr score); "
                        "only those users count then");
    command->add_option("--profiles", profiles_path,
                        "users' profiles in keywords (of rapport palr profile); only those users "
                        "count then");
  }
  /// What `model` needs of them, to be named again.
  std::string words(const palr::RankingModel& model) const {
    return (palr::reads_scores(model) ? " --language-scores " + scores_path : "") +
           (palr::reads_profiles(model) ? " --profiles " + profiles_path : "");
  }
};

struct PalrTrain {
  std::string data, output, embeddings;
  Answers answers;
  std::vector<std::string> models, judges, assignments;
};

struct PalrEvaluate {
  std::string data, ranker, beside, retriever;
  Answers answers;
  std::vector<std::string> models, judges;
  std::int64_t candidates = 50;
  std::string split = "test";
  std::int64_t resamples = 10'000;
};

Result<void> train(Context& context, const PalrTrain& command) {
  TRY(const palr::PalrOptions options,
      read_options<palr::PalrOptions>(command.assignments, "palr train"));
  TRY(const data::Dataset dataset, data::Dataset::open(command.data));
  TRY_VOID(palr::check_ranking_output(command.output));
  TRY(const auto sources, palr::load_sources(command.models, dataset, command.judges));
  Answers answers = command.answers;
  TRY_VOID(answers.open(dataset));
  palr::LanguageAnswers language = answers.pointers();
  if (!command.embeddings.empty()) {
    TRY(auto embeddings, retrieval::load_item_embeddings(command.embeddings, dataset));
    language.embeddings = std::make_shared<const retrieval::ItemEmbeddings>(std::move(embeddings));
  }
  Course course(context);
  TRY(const palr::RankingModel model,
      palr::learn_ranking(dataset, sources, options, language, course.learning()));
  TRY_VOID(palr::save_ranking_model(model, dataset, command.output));
  if (context.json) {
    Json report = model.report;
    report.erase("course");  // model.json has it
    print_json(context, {{"ranker", model.ranker->kind()},
                         {"directory", command.output},
                         {"seed", model.seed},
                         {"options", model.options.to_json()},
                         {"report", std::move(report)}});
    return {};
  }
  const Json& validation = model.report["validation"];
  context.out << fmt::format(
      "{} is in {}: {} rounds; of {} users drawn {} counted, and it learned from the {} with their "
      "item among {:.0f} candidates\nheld back, validation: HR@10 {:.4f}, NDCG@10 {:.4f}, ceiling "
      "{:.4f}\n",
      model.ranker->kind(), command.output, model.report["rounds"].get<std::int64_t>(),
      model.report["lot"].get<std::int64_t>(), model.report["users"].get<std::int64_t>(),
      model.report["reached"].get<std::int64_t>(), model.report["candidates"].get<double>(),
      validation["hr@10"].get<double>(), validation["ndcg@10"].get<double>(),
      validation["ceiling"].get<double>());
  for (const Json& each : model.report["retrievers"])
    context.out << fmt::format("  {} alone: NDCG@10 {:.4f}\n", each["name"].get<std::string>(),
                               each["ndcg@10"].get<double>());
  std::vector<std::string> all = command.models;
  all.insert(all.end(), command.judges.begin(), command.judges.end());
  context.out << fmt::format("next: rapport palr evaluate --data {} --models {} --ranker {}{}\n",
                             command.data, fmt::join(all, ","), command.output,
                             answers.words(model));
  return {};
}

/// Errors: kConflict for a model that no ranking model learned from.
Result<void> all_used(std::span<const palr::CandidateSource> named,
                      std::span<const palr::CandidateSource> used,
                      std::span<const palr::CandidateSource> used_beside) {
  for (const palr::CandidateSource& each : named) {
    const auto has = [&](std::span<const palr::CandidateSource> sources) {
      return std::ranges::find(sources, each.checksum, &palr::CandidateSource::checksum) !=
             sources.end();
    };
    if (!has(used) && !has(used_beside))
      return fail(ErrorCode::kConflict,
                  fmt::format("the ranking did not learn from {}: leave it out of --models, or "
                              "train again",
                              each.name),
                  "models");
  }
  return {};
}

/// A retriever and one more voice, without a ranker.
Result<void> evaluate_retriever(Context& context, const PalrEvaluate& command) {
  const struct {
    const char* option;
    bool named;
  } of_rankers[] = {{"models", !command.models.empty()},
                    {"ranker", !command.ranker.empty()},
                    {"beside", !command.beside.empty()},
                    {"profiles", !command.answers.profiles_path.empty()}};
  for (const auto& [option, named] : of_rankers)
    if (named)
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("--{} is for a learned ranking, --retriever for one retriever and one "
                      "more voice: leave one of them out",
                      option),
          option);
  if (command.split != "test")
    return fail(ErrorCode::kInvalidArgument,
                "--split is for a learned ranking: the weight beside a --retriever is chosen on "
                "validation items, and test items are ranked",
                "split");
  TRY(const data::Dataset dataset, data::Dataset::open(command.data));
  TRY(const auto sources, palr::load_sources({command.retriever}, dataset, command.judges));
  Answers answers = command.answers;
  TRY_VOID(answers.open(dataset));
  Course course(context);
  TRY(const auto found,
      palr::evaluate_fused(dataset,
                           {.retriever = sources.front(),
                            .scores = answers.pointers().scores,
                            .others = std::span(sources).subspan(1)},
                           {.candidates = command.candidates,
                            .bootstrap = {.resamples = command.resamples,
                                          .seed = static_cast<std::uint64_t>(context.seed)}},
                           course.learning()));
  if (context.json) {
    print_json(context, palr::to_json(found));
  } else {
    context.out << palr::to_markdown(found);
  }
  return {};
}

Result<void> evaluate(Context& context, const PalrEvaluate& command) {
  if (!command.retriever.empty()) return evaluate_retriever(context, command);
  if (command.models.empty() || command.ranker.empty())
    return fail(ErrorCode::kInvalidArgument,
                "name --models and a --ranker that learned from them, or a --retriever with "
                "--language-scores or --judges beside it",
                command.models.empty() ? "models" : "ranker");
  if (!command.judges.empty())
    return fail(ErrorCode::kInvalidArgument,
                "--judges is for a --retriever: a ranker's are among its --models", "judges");
  TRY(const data::Split split, data::parse_split(command.split));
  TRY(const data::Dataset dataset, data::Dataset::open(command.data));
  TRY(const palr::RankingModel model, palr::load_ranking_model(command.ranker, dataset));
  TRY(const auto loaded, palr::load_sources(command.models, dataset));
  TRY(const auto sources, palr::arranged(loaded, model, command.ranker));
  Answers answers = command.answers;
  TRY_VOID(answers.open(dataset));
  std::optional<palr::RankingModel> beside;
  std::vector<palr::CandidateSource> sources_beside;
  if (!command.beside.empty()) {
    TRY(beside, palr::load_ranking_model(command.beside, dataset));
    TRY(sources_beside, palr::arranged(loaded, *beside, command.beside));
  }
  TRY_VOID(all_used(loaded, sources, sources_beside));
  Course course(context);
  const palr::RankingEvaluationOptions options{
      .split = split,
      .bootstrap = {.resamples = command.resamples,
                    .seed = static_cast<std::uint64_t>(context.seed)},
      .language = answers.pointers(),
      .beside = beside ? &*beside : nullptr,
      .sources_beside = sources_beside,
      .beside_name = command.beside};
  TRY(const auto found,
      palr::evaluate_ranking(dataset, sources, model, options, course.learning()));
  if (context.json) {
    print_json(context, palr::to_json(found));
  } else {
    context.out << palr::to_markdown(found);
  }
  return {};
}

}  // namespace

void add_palr(CommandLine& line) {
  CLI::App* group = line.add_group("palr", "a learned ranking of several models' candidates");

  auto to_train = std::make_shared<PalrTrain>();
  CLI::App* command =
      line.add("train", "learn to rank the candidates of trained models",
               "rapport palr train --data datasets/beauty --models models/ridge,models/sasrec "
               "--output models/palr --set ranker=xgboost\n" +
                   options_help<palr::PalrOptions>(),
               group);
  command->add_option("--data", to_train->data, "data set (of rapport data prepare)")->required();
  command
      ->add_option("--models", to_train->models,
                   "model directories (of rapport train), whose candidates are merged")
      ->delimiter(',')
      ->required();
  command
      ->add_option("--judges", to_train->judges,
                   "model directories whose scores are read too, but who propose no candidates")
      ->delimiter(',');
  command->add_option("--output", to_train->output, "folder of the ranking model")->required();
  to_train->answers.add_options(command);
  command->add_option("--embeddings", to_train->embeddings,
                      "the items' vectors (of rapport palr embed); the ranking model keeps them");
  add_set_option(command, to_train->assignments);
  line.run(command, [to_train](Context& context) { return train(context, *to_train); });

  auto to_evaluate = std::make_shared<PalrEvaluate>();
  command = line.add(
      "evaluate",
      "how high a learned ranking, or a language model beside a retriever, puts what users "
      "took next",
      "rapport palr evaluate --data datasets/beauty --models "
      "models/ridge,models/sasrec --ranker models/palr --json\n"
      "rapport palr evaluate --data datasets/ml-1m --retriever models/sasrec "
      "--language-scores scores.jsonl --judges models/sasrec-seed2",
      group);
  command->add_option("--data", to_evaluate->data, "data set (of rapport data prepare)")
      ->required();
  command
      ->add_option("--models", to_evaluate->models,
                   "the model directories that it was trained with, judges among them, in any "
                   "order, and those of --beside")
      ->delimiter(',');
  command->add_option("--ranker", to_evaluate->ranker, "ranking model (of rapport palr train)");
  command->add_option("--retriever", to_evaluate->retriever,
                      "instead of a ranker: a model directory whose candidates are ordered by its "
                      "score and that of the --language-scores, or of the first of the --judges");
  command
      ->add_option("--judges", to_evaluate->judges,
                   "model directories fused with the --retriever in the same way; a second seed "
                   "is a control")
      ->delimiter(',');
  command
      ->add_option("--candidates", to_evaluate->candidates,
                   "with --retriever: its best, as many as the language model was asked about")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000}))
      ->capture_default_str();
  to_evaluate->answers.add_options(command);
  command->add_option("--beside", to_evaluate->beside,
                      "another ranking model, to be compared with on the same users");
  command
      ->add_option("--split", to_evaluate->split,
                   "test, or validation of the users it did not learn from")
      ->capture_default_str();
  command->add_option("--resamples", to_evaluate->resamples, "bootstrap draws of each interval")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10'000'000}))
      ->capture_default_str();
  line.run(command, [to_evaluate](Context& context) { return evaluate(context, *to_evaluate); });
  add_palr_embed(line, group);
  add_palr_language(line, group);
}

}  // namespace rapport::cli
