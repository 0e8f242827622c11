#include "rapport/palr/learning.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "rapport/data/leave_one_out.h"
#include "rapport/evaluation/ranking_metrics.h"

namespace rapport::palr {
namespace {

constexpr evaluation::Metric kGain = evaluation::ndcg_at(10), kHits = evaluation::hit_rate_at(10);

Json validation_report(const RankingLists& lists, std::span<const float> scores) {
  const auto reached = std::ranges::count_if(lists.targets, [](auto place) { return place >= 0; });
  const auto users = static_cast<double>(lists.size());
  return {{kGain.name(), mean_of(kGain, lists, scores)},
          {kHits.name(), mean_of(kHits, lists, scores)},
          {"ceiling", static_cast<double>(reached) / users}};
}

/// What each retriever alone makes of the same users.
Json retrievers_report(std::span<const HeldOutPool> pools,
                       std::span<const CandidateSource> sources) {
  Json list = Json::array();
  for (std::size_t s = 0; s < sources.size(); ++s) {
    double sum = 0;
    for (const HeldOutPool& each : pools) sum += kGain.of(each.alone[s]);
    list.push_back({{"name", sources[s].name},
                    {"kind", sources[s].model->kind()},
                    {kGain.name(), sum / static_cast<double>(pools.size())}});
  }
  return list;
}

}  // namespace

Result<std::vector<data::UserIndex>> asked_about(const data::Dataset& dataset, data::Split split,
                                                 std::vector<data::UserIndex> users,
                                                 const LanguageAnswers& language,
                                                 const LotOptions* lot) {
  if (language.scores == nullptr && language.profiles == nullptr) return users;
  const std::size_t all = users.size();
  std::erase_if(users, [&](data::UserIndex user) {
    const auto held_out = data::held_out(dataset, user, split);
    const auto lacks = [&](const auto* answers) {
      return answers != nullptr && answers->find({user, held_out->history.size()}) == nullptr;
    };
    return !held_out || lacks(language.scores) || lacks(language.profiles);
  });
  if (lot != nullptr && 2 * users.size() <= all)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the language model was asked about {} of the {} users that the ranker "
                    "learns from: ask with --split {} --fraction {} --strata {} --seed {}, "
                    "or learn with those that it was asked with",
                    users.size(), all, data::name(split), lot->fraction, lot->strata, lot->seed),
        "language-scores");
  if (users.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the language model was asked about none of the users: rapport palr "
                            "score and palr profile ask, with --split {}",
                            data::name(split)),
                "language-scores");
  return users;
}

Result<RankingModel> learn_ranking(const data::Dataset& dataset,
                                   std::span<const CandidateSource> sources,
                                   const PalrOptions& options, const LanguageAnswers& language,
                                   const LearningContext& context) {
  TRY_VOID(options.check());
  const auto start = context.clock.steady();
  retrieval::TrainingThreads threads(context.ranker.threads);
  const LotOptions lot = learning_lot(options, context.ranker.seed);
  TRY(Lot drawn, draw(dataset, lot));
  const std::size_t drawn_users = drawn.users.size();
  TRY(const std::vector<data::UserIndex> users,
      asked_about(dataset, data::Split::kValidation, std::move(drawn.users), language, &lot));
  const auto stage = [&](std::string_view name) {
    return context.stage ? context.stage(name, static_cast<std::int64_t>(users.size()))
                         : retrieval::WorkStep();
  };
  TRY(const FeatureSet features, palr_features(dataset, sources, options, language, threads));
  TRY(const std::vector<HeldOutPool> pools,
      held_out_pools(dataset, data::Split::kValidation, users, sources, options.pool, threads,
                     stage("candidates")));
  TRY(const RankingLists lists, ranking_lists(pools, features, threads, stage("features")));
  TRY(Ranking fit, train_ranker(lists, options.ranker, context.ranker));

  RankingModel model;
  model.ranker = std::move(fit.ranker);
  model.options = options;
  model.columns = features.columns();
  for (const CandidateSource& source : sources)
    model.sources.push_back(
        {source.name, std::string(source.model->kind()), source.checksum, source.proposes});
  model.seed = context.ranker.seed;
  if (reads_scores(model)) model.language["scores"] = language.scores->about();
  if (reads_profiles(model)) model.language["profiles"] = language.profiles->about();
  if (reads_embeddings(model)) model.embeddings = language.embeddings;
  model.data_checksum = dataset.checksum();
  const std::chrono::duration<double> taken = context.clock.steady() - start;
  model.report = {
      {"lot", drawn_users},
      {"users", lists.size()},
      {"reached", std::ranges::count_if(lists.targets, [](auto place) { return place >= 0; })},
      {"candidates", static_cast<double>(lists.candidates()) / static_cast<double>(lists.size())},
      {"rounds", fit.rounds},
      {"validation", validation_report(lists, fit.held_back)},
      {"retrievers", retrievers_report(pools, sources)},
      {"course", fit.course},
      {"seconds", taken.count()}};
  return model;
}

}  // namespace rapport::palr
