#include <fmt/format.h>

#include <iostream>

#include "rapport/base/progress.h"
#include "rapport/cli/command_line.h"
#include "rapport/cli/signals.h"
#include "rapport/retrieval/model_directory.h"

namespace rapport::cli {
namespace {

struct TrainOptions {
  std::string data;
  std::string model;
  std::string output;
  std::vector<std::string> assignments;
  bool resume = false;
};

Json kind_as_json(const retrieval::RetrieverKind& kind) {
  return {{"model", kind.name},
          {"summary", kind.summary},
          {"source", kind.source},
          {"trainable", retrieval::can_train(kind)},
          {"options", kind.options()}};
}

void list_kinds(Context& context) {
  if (context.json) {
    Json models = Json::array();
    for (const auto& kind : retrieval::retriever_kinds()) models.push_back(kind_as_json(kind));
    print_json(context, {{"models", std::move(models)}});
    return;
  }
  for (const auto& kind : retrieval::retriever_kinds()) {
    context.out << fmt::format("{}  {}\n  source: {}{}\n", kind.name, kind.summary, kind.source,
                               retrieval::can_train(kind) ? "" : "\n  this build cannot train it");
    for (const Json& option : kind.options())
      context.out << fmt::format("  --set {}={}  {}\n", option["key"].get<std::string>(),
                                 shown_value(option["default"]), option["help"].get<std::string>());
    context.out << '\n';
  }
}

Result<retrieval::Assignments> parse_assignments(const std::vector<std::string>& words) {
  retrieval::Assignments assignments;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("--set {}: expected KEY=VALUE; rapport train --model list has the "
                              "keys",
                              word),
                  "set");
    assignments.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return assignments;
}

/// A line a stage of a fit in closed form.
std::string stage_line(const retrieval::FitProgress& progress) {
  return fmt::format("stage {}/{}  {}  {:.2f} s\n", progress.epoch, progress.epochs, progress.stage,
                     progress.seconds);
}

/// A line an epoch: what a person who waits wants to see.
std::string epoch_line(const retrieval::FitProgress& progress, double best,
                       double seconds_an_epoch) {
  std::string line = fmt::format("{} {}/{}  loss {:.4f}", progress.unit, progress.epoch,
                                 progress.epochs, progress.loss);
  if (progress.validation_ndcg)
    line +=
        fmt::format("  validation NDCG@10 {:.4f} (best {:.4f})", *progress.validation_ndcg, best);
  const double left = seconds_an_epoch * static_cast<double>(progress.epochs - progress.epoch);
  return line + fmt::format("  {:.2f} s, at most {:.0f} min left\n", progress.seconds, left / 60);
}

/// Of a fusion: a line a member, with what it weighs and what it is alone.
std::string member_lines(const Json& report) {
  std::string lines;
  for (const Json& member : report.value("members", Json::array()))
    lines += fmt::format("\n  {:.3f} × {}, alone {:.4f}", member["weight"].get<double>(),
                         member["model"].get<std::string>(),
                         member["validation"]["ndcg@10"].get<double>());
  return lines;
}

Result<void> train(Context& context, const TrainOptions& options) {
  if (options.model == "list") {
    list_kinds(context);
    return {};
  }
  std::stop_source stop;
  const SignalWatch watch([&stop](int) { stop.request_stop(); });
  TRY_VOID(retrieval::find_retriever_kind(options.model));
  if (options.data.empty() || options.output.empty())
    return fail(ErrorCode::kInvalidArgument,
                options.data.empty() ? "--data is missing: name a prepared data set"
                                     : "--output is missing: name the model's folder",
                options.data.empty() ? "data" : "output");
  TRY(const retrieval::Assignments assignments, parse_assignments(options.assignments));
  TRY(const data::Dataset dataset, data::Dataset::open(options.data));
  TRY_VOID(retrieval::check_output(options.output));

  const base::SystemClock clock;
  double best = 0;
  // What was seen first: a resumed training begins later than at its first epoch, and not each is
  // told of many that are short.
  std::int64_t first_epoch = 0;
  std::chrono::steady_clock::time_point first_seen;
  retrieval::FitContext fit_context{
      .clock = clock,
      .seed = context.seed,
      .threads = context.threads,
      .checkpoint = options.output + ".checkpoint",
      .resume = options.resume,
      .on_progress =
          [&](const retrieval::FitProgress& progress) {
            best = std::max(best, progress.validation_ndcg.value_or(0));
            if (context.quiet) return;
            if (!progress.stage.empty()) {
              if (progress.stage_done == 1) context.err << stage_line(progress);
              return;
            }
            if (first_epoch == 0) {
              first_epoch = progress.epoch;
              first_seen = clock.steady();
            }
            const std::chrono::duration<double> since = clock.steady() - first_seen;
            context.err << epoch_line(
                progress, best,
                progress.epoch > first_epoch
                    ? since.count() / static_cast<double>(progress.epoch - first_epoch)
                    : progress.seconds);
          },
      .stop_token = stop.get_token()};
  TRY(const retrieval::Fit fit,
      retrieval::fit_retriever(options.model, dataset, assignments, fit_context));
  TRY_VOID(retrieval::save_model(fit, dataset, options.output, fit_context.checkpoint));
  if (context.json) {
    Json report = fit.report;
    report.erase("curve");  // model.json has it
    print_json(context, {{"model", options.model},
                         {"directory", options.output},
                         {"seed", fit.seed},
                         {"options", fit.options},
                         {"report", std::move(report)}});
    return {};
  }
  context.out << fmt::format("{} is in {}", options.model, options.output);
  if (fit.report.contains("validation"))
    context.out << fmt::format(
        "{} validation NDCG@10 {:.4f}, {:.0f} s",
        fit.report.contains("best_epoch")
            ? fmt::format(": epoch {} of {},", fit.report["best_epoch"].dump(),
                          fit.report["epochs"].dump())
            : ":",
        fit.report["validation"]["ndcg@10"].get<double>(), fit.report["seconds"].get<double>());
  context.out << member_lines(fit.report);
  context.out << fmt::format("\nnext: rapport evaluate --data {} --model {}\n", options.data,
                             options.output);
  return {};
}

}  // namespace

void add_train(CommandLine& line) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* command =
      line.add("train", "train a recommendation model on a prepared data set",
               "rapport train --data datasets/ml-1m --model sasrec --output models/sasrec");
  command->add_option("--data", options->data, "folder made by rapport data prepare");
  command
      ->add_option("--model", options->model, "what to train; `list` shows all and their options")
      ->required();
  command->add_option("--output", options->output, "folder of the model");
  command
      ->add_option("--set", options->assignments,
                   "one of the model's options, as KEY=VALUE; repeatable")
      ->allow_extra_args(false);
  command->add_flag("--resume", options->resume,
                    "go on from OUTPUT.checkpoint, which an interrupted training leaves");
  line.run(command, [options](Context& context) { return train(context, *options); });
}

}  // namespace rapport::cli
