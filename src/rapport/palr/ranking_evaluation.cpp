#include "rapport/palr/ranking_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "rapport/base/json_member.h"
#include "rapport/evaluation/report.h"

namespace rapport::palr {
namespace {

/// Lists of so many users are held at a time.
constexpr std::size_t kUsersAtOnce = 2048;

using evaluation::FullRanking;

/// One system's ranks of all users, the ranker's or a retriever's.
struct Ranked {
  FullRanking ranking;
  std::vector<bool> seen;     // [users] the ranker learned from them
  std::vector<bool> reached;  // [users] the target is in the pool
  std::vector<std::size_t> candidates;
  std::vector<FullRanking> alone;  // [sources]
  FullRanking beside;              // by the other ranking model; empty without
};

/// The ranks that `ranker` gives the targets of `pools`, from 0.
Result<std::vector<std::int64_t>> ranks_of(std::span<const HeldOutPool> pools, std::int64_t last,
                                           const FeatureSet& features, const Ranker& ranker,
                                           retrieval::TrainingThreads& threads,
                                           const retrieval::WorkStep& step) {
  std::vector<std::int64_t> ranks;
  for (std::size_t begin = 0; begin < pools.size(); begin += kUsersAtOnce) {
    const auto part = pools.subspan(begin, std::min(kUsersAtOnce, pools.size() - begin));
    TRY(const RankingLists lists, ranking_lists(part, features, threads));
    std::vector<float> scores(static_cast<std::size_t>(lists.candidates()));
    TRY_VOID(ranker.score(lists.values, scores));
    for (std::size_t i = 0; i < lists.size(); ++i) {
      const auto own = std::span(scores).subspan(static_cast<std::size_t>(lists.offsets[i]),
                                                 static_cast<std::size_t>(lists.candidates(i)));
      ranks.push_back(lists.targets[i] < 0 ? last : rank_in_list(own, lists.targets[i]));
    }
    if (step)
      TRY_VOID(step(static_cast<double>(begin + part.size()) / static_cast<double>(pools.size())));
  }
  return ranks;
}

/// Which sources the ranker is compared with: the best single one on validation, every fusion.
std::vector<bool> compared(const RankingModel& model) {
  std::vector<bool> chosen(model.sources.size());
  std::optional<std::size_t> best;
  double best_ndcg = -1;
  for (std::size_t s = 0; s < model.sources.size(); ++s) {
    if (model.sources[s].kind == "fusion") {
      chosen[s] = true;
      continue;
    }
    const Json::json_pointer place(fmt::format("/retrievers/{}/ndcg@10", s));
    const double ndcg = model.report.value(place, 0.0);
    if (ndcg <= best_ndcg) continue;
    best = s;
    best_ndcg = ndcg;
  }
  if (best) chosen[*best] = true;
  return chosen;
}

FullRanking part_of(const FullRanking& ranking, const std::vector<bool>& left_out) {
  FullRanking part;
  for (std::size_t i = 0; i < ranking.users.size(); ++i)
    if (!left_out[i]) part.users.push_back(ranking.users[i]);
  return part;
}

Result<RankedGroup> group_of(std::string name, const Ranked& ranked,
                             const std::vector<bool>& left_out, const RankingModel& model,
                             const RankingEvaluationOptions& options) {
  RankedGroup group;
  group.name = std::move(name);
  const FullRanking ours = part_of(ranked.ranking, left_out);
  const auto metrics = evaluation::reported_metrics();
  group.metrics = ours.metrics();
  TRY(group.estimates, evaluation::estimate(group.metrics, metrics, options.bootstrap));
  double weights = 0;
  for (std::size_t i = 0; i < ranked.ranking.users.size(); ++i) {
    if (left_out[i]) continue;
    const double weight = ranked.ranking.users[i].weight;
    weights += weight;
    group.ceiling += ranked.reached[i] ? weight : 0;
    group.candidates += weight * static_cast<double>(ranked.candidates[i]);
  }
  group.ceiling /= weights;
  group.candidates /= weights;
  const std::vector<bool> with = compared(model);
  for (std::size_t s = 0; s < model.sources.size(); ++s) {
    const FullRanking theirs = part_of(ranked.alone[s], left_out);
    RankedBeside beside{model.sources[s].name, theirs.metrics(), {}};
    if (with[s]) {
      TRY(beside.differences, evaluation::compare(ours, theirs, metrics, options.bootstrap));
    }
    group.retrievers.push_back(std::move(beside));
  }
  if (options.beside != nullptr) {
    const FullRanking theirs = part_of(ranked.beside, left_out);
    RankedBeside beside{options.beside_name, theirs.metrics(), {}};
    TRY(beside.differences, evaluation::compare(ours, theirs, metrics, options.bootstrap));
    group.rankers.push_back(std::move(beside));
  }
  return group;
}

void add_means(Json& json, const evaluation::RankingMetrics& metrics) {
  for (const auto& metric : evaluation::reported_metrics())
    json[metric.name()] = metrics.mean(metric);
}

Json to_json(const RankedGroup& group) {
  Json json = {{"users", group.metrics.users()},
               {"ceiling", group.ceiling},
               {"candidates", group.candidates}};
  add_means(json, group.metrics);
  json["intervals"] = Json::object();
  for (const auto& [metric, interval] : group.estimates)
    json["intervals"][metric.name()] = {interval.low, interval.high};
  const auto list = [](const std::vector<RankedBeside>& all) {
    Json entries = Json::array();
    for (const RankedBeside& beside : all) {
      Json entry = {{"model", beside.name}};
      add_means(entry, beside.metrics);
      for (const auto& [metric, interval] : beside.differences)
        entry["differences"][metric.name()] = {
            {"difference", interval.estimate}, {"low", interval.low}, {"high", interval.high}};
      entries.push_back(std::move(entry));
    }
    return entries;
  };
  json["retrievers"] = list(group.retrievers);
  if (!group.rankers.empty()) json["rankers"] = list(group.rankers);
  return json;
}

struct Task {
  const data::Dataset& dataset;
  std::span<const data::UserIndex> users;
  const RankingEvaluationOptions& options;
  const LearningContext& context;
};

/// Users that the ranker, or a language model that it reads, has learned from.
Result<std::vector<Lot>> lots_seen(const data::Dataset& dataset, const RankingModel& model,
                                   const LanguageAnswers& answers) {
  std::vector<LotOptions> options = {learning_lot(model.options, model.seed)};
  const auto add_tuned = [&](const auto* read) {
    if (read == nullptr || !read->about().contains("tuned")) return;
    const Json* lot = base::member(read->about()["tuned"], "lot", &Json::is_object);
    if (lot == nullptr) return;
    if (const auto tuned = LotOptions::from_json(*lot)) options.push_back(*tuned);
  };
  add_tuned(answers.scores);
  add_tuned(answers.profiles);
  std::vector<Lot> lots;
  for (const LotOptions& each : options) {
    TRY(Lot lot, draw(dataset, each));
    lots.push_back(std::move(lot));
  }
  return lots;
}

/// Users that one stands for: where a language model was asked about a lot, as many as in that.
double weight_of(const Task& task, data::UserIndex user, std::size_t history) {
  const LanguageAnswers& language = task.options.language;
  if (language.scores != nullptr) return language.scores->find({user, history})->weight;
  if (language.profiles != nullptr) return language.profiles->weight({user, history});
  return task.dataset.weight(user);
}

/// Errors: those of its steps; kInvalidArgument where no user has an item held out.
Result<Ranked> rank_users(const Task& task, std::span<const CandidateSource> sources,
                          const RankingModel& model, const std::string& name,
                          retrieval::TrainingThreads& threads) {
  const data::Dataset& dataset = task.dataset;
  const auto stage = [&](std::string_view what) {
    return task.context.stage
               ? task.context.stage(what, static_cast<std::int64_t>(task.users.size()))
               : retrieval::WorkStep();
  };
  TRY(const LanguageAnswers answers, answers_for(model, task.options.language, name));
  TRY(const FeatureSet features, palr_features(dataset, sources, model.options, answers, threads));
  TRY_VOID(check_columns(features, model, name));
  TRY(const std::vector<HeldOutPool> pools,
      held_out_pools(dataset, task.options.split, task.users, sources, model.options.pool, threads,
                     stage("candidates")));
  if (pools.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has no user with three interactions: there is nothing to rank",
                            dataset.name()),
                "data");
  TRY(const std::vector<std::int64_t> ranks,
      ranks_of(pools, dataset.items() - 1, features, *model.ranker, threads, stage("ranking")));
  TRY(const std::vector<Lot> seen, lots_seen(dataset, model, answers));

  Ranked ranked;
  ranked.alone.resize(sources.size());
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const data::UserIndex user = pools[i].user;
    const double weight = weight_of(task, user, pools[i].history.size());
    ranked.ranking.users.push_back({user, ranks[i], weight});
    ranked.seen.push_back(std::ranges::any_of(seen, [&](const Lot& lot) { return lot.has(user); }));
    ranked.reached.push_back(pools[i].place >= 0);
    ranked.candidates.push_back(pools[i].pool.size());
    for (std::size_t s = 0; s < sources.size(); ++s)
      ranked.alone[s].users.push_back({user, pools[i].alone[s], weight});
  }
  return ranked;
}

}  // namespace

Result<RankingEvaluation> evaluate_ranking(const data::Dataset& dataset,
                                           std::span<const CandidateSource> sources,
                                           const RankingModel& model,
                                           const RankingEvaluationOptions& options,
                                           const LearningContext& context) {
  if (model.data_checksum != dataset.checksum())
    return fail(ErrorCode::kConflict,
                fmt::format("the ranking model learned from other interactions than those of {}: "
                            "whom it has seen is not known here; train it again",
                            dataset.name()));
  const auto start = context.clock.steady();
  retrieval::TrainingThreads threads(context.ranker.threads);
  std::vector<data::UserIndex> everyone(static_cast<std::size_t>(dataset.users()));
  for (std::size_t i = 0; i < everyone.size(); ++i) everyone[i] = static_cast<data::UserIndex>(i);
  TRY(const std::vector<data::UserIndex> users,
      asked_about(dataset, options.split, std::move(everyone), options.language, nullptr));
  const Task task{dataset, users, options, context};
  TRY(Ranked ranked, rank_users(task, sources, model, "the ranking model", threads));
  if (options.beside != nullptr) {
    TRY(Ranked other,
        rank_users(task, options.sources_beside, *options.beside, options.beside_name, threads));
    ranked.beside = std::move(other.ranking);
    for (std::size_t i = 0; i < ranked.seen.size(); ++i)
      ranked.seen[i] = ranked.seen[i] || other.seen[i];
  }
  RankingEvaluation found{.ranker = std::string(model.ranker->kind()),
                          .data = dataset.name(),
                          .data_checksum = dataset.checksum(),
                          .split = options.split,
                          .groups = {},
                          .confidence = options.bootstrap.confidence};
  found.seconds = std::chrono::duration<double>(context.clock.steady() - start).count();
  if (options.split == data::Split::kTest) {
    TRY(RankedGroup all,
        group_of("all", ranked, std::vector<bool>(ranked.seen.size()), model, options));
    found.groups.push_back(std::move(all));
  }
  // With a fraction of 1 there are none.
  if (std::ranges::find(ranked.seen, false) != ranked.seen.end()) {
    TRY(RankedGroup others, group_of("others", ranked, ranked.seen, model, options));
    found.groups.push_back(std::move(others));
  }
  if (found.groups.empty())
    return fail(ErrorCode::kInvalidArgument,
                "all of these users were learnt from: there is nobody to measure with; ask about "
                "more with --fraction 1, or measure on --split test",
                "split");
  return found;
}

Json to_json(const RankingEvaluation& evaluation) {
  Json json = {{"ranker", evaluation.ranker},
               {"data", {{"name", evaluation.data}, {"checksum", evaluation.data_checksum}}},
               {"split", std::string(data::name(evaluation.split))},
               {"seconds", evaluation.seconds},
               {"confidence", evaluation.confidence}};
  for (const RankedGroup& group : evaluation.groups) json[group.name] = to_json(group);
  return json;
}

std::string to_markdown(const RankingEvaluation& evaluation) {
  std::string text;
  constexpr evaluation::Metric kShown[] = {evaluation::hit_rate_at(5),  evaluation::hit_rate_at(10),
                                           evaluation::hit_rate_at(50), evaluation::ndcg_at(5),
                                           evaluation::ndcg_at(10),     evaluation::ndcg_at(50)};
  constexpr evaluation::Metric kCompared = evaluation::ndcg_at(10);
  for (const RankedGroup& group : evaluation.groups) {
    std::vector<std::string> header = {group.name};
    for (const auto& metric : kShown) header.push_back(metric.name());
    header.push_back("ranker's gain in " + kCompared.name());
    const auto row = [&](const std::string& name, const evaluation::RankingMetrics& metrics) {
      std::vector<std::string> cells = {name};
      for (const auto& metric : kShown)
        cells.push_back(fmt::format("{:.4f}", metrics.mean(metric)));
      return cells;
    };
    std::vector<std::vector<std::string>> rows = {row(evaluation.ranker, group.metrics)};
    rows.back().push_back("");
    std::vector<RankedBeside> all = group.rankers;
    all.insert(all.end(), group.retrievers.begin(), group.retrievers.end());
    for (const RankedBeside& beside : all) {
      rows.push_back(row(beside.name, beside.metrics));
      const auto found =
          std::ranges::find(beside.differences, kCompared, &evaluation::Estimate::metric);
      rows.back().push_back(found == beside.differences.end()
                                ? ""
                                : fmt::format("{:+.4f} ({:+.4f} to {:+.4f})",
                                              found->interval.estimate, found->interval.low,
                                              found->interval.high));
    }
    text += fmt::format(
        "{} on {}, {} items of {} users; {:.0f} candidates each, in which {:.4f} of the items "
        "are.\n\n{}\n",
        evaluation.ranker, evaluation.data, data::name(evaluation.split), group.metrics.users(),
        group.candidates, group.ceiling, evaluation::markdown_table(header, rows));
  }
  return text;
}

}  // namespace rapport::palr
