#include <fmt/format.h>

#include <iostream>

#include "rapport/base/progress.h"
#include "rapport/cli/command_line.h"
#include "rapport/data/dataset.h"
#include "rapport/evaluation/report.h"
#include "rapport/retrieval/model_directory.h"

namespace rapport::cli {
namespace {

struct EvaluateOptions {
  std::string data, model, against;
  std::string split = "test";
  std::string by;
  std::int64_t sample = 0;
  std::int64_t resamples = 10'000;
};

using Model = std::unique_ptr<retrieval::Retriever>;

struct Ranked {
  evaluation::FullRanking ranking;
  double seconds = 0;
};

// Scores and ranks every user, with progress on stderr.
Result<Ranked> rank(const Context& context, const data::Dataset& dataset,
                    const retrieval::Retriever& model, evaluation::FullRankingOptions options) {
  const base::SystemClock clock;
  std::optional<base::Progress> progress;
  std::int64_t shown = 0;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    if (!progress) {
      progress.emplace(
          "ranking with " + std::string(model.kind()), total, "users", clock,
          context.quiet ? base::ProgressStyle::kQuiet : base::default_progress_style());
    }
    progress->advance(done - shown);
    shown = done;
  };
  const auto scorer = [&model](std::span<const evaluation::Query> queries,
                               std::span<float> scores) { return model.score(queries, scores); };
  const auto start = clock.steady();
  TRY(auto ranking, evaluation::rank_held_out(dataset, scorer, options));
  const std::chrono::duration<double> taken = clock.steady() - start;
  return Ranked{std::move(ranking), taken.count()};
}

Result<data::Grouping> group(const data::Dataset& dataset, const std::string& by) {
  TRY(const auto parsed, data::parse_group_by(by));
  data::Grouping groups = data::group_users(dataset, parsed);
  if (groups.names == std::vector<std::string>{"unknown"}) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} says nothing of its users' {}: prepare it with --users FILE, or "
                            "group --by activity",
                            dataset.name(), by));
  }
  return groups;
}

/// What a model was trained on when that is neither `dataset` nor what it is a sample of, else
/// null: then it may have learnt from the very items that it is asked for.
Result<Json> trained_elsewhere(const std::string& directory, const data::Dataset& dataset) {
  TRY(const Json description, retrieval::read_model_description(directory));
  const Json& data = description["data"];
  const Json& of = dataset.source().contains("sample_of") ? dataset.source()["sample_of"] : Json();
  const Json trained_on = data.value("checksum", Json());
  if (trained_on == dataset.checksum() ||
      (of.is_object() && trained_on == of.value("checksum", "")))
    return Json();
  return Json{{"name", data["name"]}, {"checksum", trained_on}};
}

Result<Model> load_model(Context& context, const std::string& directory,
                         const data::Dataset& dataset) {
  TRY(Model model, retrieval::load_retriever(directory, dataset));
  TRY(const Json elsewhere, trained_elsewhere(directory, dataset));
  if (!elsewhere.is_null())
    context.err << fmt::format(
        "warning: {} was trained on other interactions ({}) with the same catalogue: it may have "
        "learnt what it is tested on\n",
        directory, elsewhere["name"].get<std::string>());
  return model;
}

Result<void> evaluate(Context& context, const EvaluateOptions& options) {
  // All that can be refused is, before anything takes time.
  TRY(const data::Split split, data::parse_split(options.split));
  TRY(const data::Dataset dataset, data::Dataset::open(options.data));
  data::Grouping groups;
  if (!options.by.empty()) {
    TRY(groups, group(dataset, options.by));
  }
  TRY(const Model model, load_model(context, options.model, dataset));
  Model other;
  if (!options.against.empty()) {
    TRY(other, load_model(context, options.against, dataset));
  }

  const auto seed = static_cast<std::uint64_t>(context.seed);
  const evaluation::FullRankingOptions how{
      .split = split, .sample = options.sample, .seed = seed, .threads = context.threads};
  const statistics::BootstrapOptions bootstrap{.resamples = options.resamples, .seed = seed};
  TRY(const Ranked ours, rank(context, dataset, *model, how));

  evaluation::Report report;
  report.model = model->kind();
  report.data = dataset.name();
  report.data_checksum = dataset.checksum();
  report.split = split;
  report.metrics = ours.ranking.metrics();
  report.confidence = bootstrap.confidence;
  report.skipped = ours.ranking.skipped;
  report.seconds = ours.seconds;
  const auto metrics = evaluation::reported_metrics();
  TRY(report.estimates, evaluation::estimate(report.metrics, metrics, bootstrap));
  if (!options.by.empty()) {
    report.by = options.by;
    TRY(report.groups, evaluation::group_results(ours.ranking, groups, {.bootstrap = bootstrap}));
  }
  if (other) {
    TRY(const Ranked theirs, rank(context, dataset, *other, how));
    TRY(auto differences, evaluation::compare(ours.ranking, theirs.ranking, metrics, bootstrap));
    report.against = {.model = std::string(other->kind()),
                      .metrics = theirs.ranking.metrics(),
                      .differences = std::move(differences)};
  }
  if (context.json) {
    Json json = evaluation::to_json(report);
    TRY(const Json elsewhere, trained_elsewhere(options.model, dataset));
    if (!elsewhere.is_null()) json["trained_on"] = elsewhere;
    print_json(context, json);
  } else {
    context.out << evaluation::to_markdown(report);
  }
  return {};
}

}  // namespace

void add_evaluate(CommandLine& line) {
  auto options = std::make_shared<EvaluateOptions>();
  CLI::App* command =
      line.add("evaluate", "how high a model ranks what users took next",
               "rapport evaluate --data datasets/ml-100k --model models/sasrec --by gender "
               "--against models/popularity");
  command->add_option("--data", options->data, "data set (of rapport data prepare)")->required();
  command->add_option("--model", options->model, "model directory (of rapport train)")->required();
  command->add_option("--split", options->split, "test or validation")->capture_default_str();
  command->add_option("--sample", options->sample, "rank this many users, drawn by --seed (0: all)")
      ->check(CLI::NonNegativeNumber);
  command->add_option(
      "--by", options->by,
      "results by group of users: age, gender, occupation, region, activity; with commas "
      "for their combinations");
  command->add_option("--against", options->against,
                      "another model directory, compared user by user");
  command->add_option("--resamples", options->resamples, "bootstrap draws of each interval")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10'000'000}))
      ->capture_default_str();
  line.run(command, [options](Context& context) { return evaluate(context, *options); });
}

}  // namespace rapport::cli
