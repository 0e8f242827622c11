#include "rapport/palr/list_ranker.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "rapport/retrieval/model_directory.h"

namespace rapport::palr {
namespace {

/// The subfolders that hold a model, by the checksum of its weights.
std::map<std::string, std::string> models_in(const std::filesystem::path& folder) {
  std::map<std::string, std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    // What is no model, or half of one, is nobody's retriever.
    if (const auto description = retrieval::read_model_description(entry.path()))
      found.try_emplace((*description)["weights"]["sha256"].get<std::string>(),
                        entry.path().string());
  }
  return found;
}

/// [columns] the column that stands for each: a feature's own, also for it within the user.
std::vector<std::size_t> own_columns(const std::vector<Feature>& columns) {
  std::vector<std::size_t> own;
  for (std::size_t c = 0; c < columns.size(); ++c)
    own.push_back(c > 0 && columns[c].name.starts_with(columns[own[c - 1]].name + ",") ? own[c - 1]
                                                                                       : c);
  return own;
}

}  // namespace

Result<std::vector<CandidateSource>> find_sources(const RankingModel& model,
                                                  const std::filesystem::path& folder,
                                                  const data::Dataset& dataset,
                                                  std::span<const CandidateSource> loaded) {
  std::vector<CandidateSource> found(loaded.begin(), loaded.end());
  const auto there = models_in(folder);
  for (const KnownSource& known : model.sources) {
    if (std::ranges::find(found, known.checksum, &CandidateSource::checksum) != found.end())
      continue;
    const auto at = there.find(known.checksum);
    if (at == there.end())
      return fail(ErrorCode::kConflict,
                  fmt::format("the ranking learned from a {} that is not in {} (another one may "
                              "have taken its place): train the ranking again",
                              known.kind, folder.string()));
    TRY(const auto source, load_sources({at->second}, dataset));
    found.push_back(source.front());
  }
  return arranged(found, model, folder);
}

ListRanker::ListRanker(RankingModel model, std::vector<CandidateSource> sources,
                       FeatureSet features)
    : model_(std::move(model)), sources_(std::move(sources)), features_(std::move(features)) {}

Result<std::shared_ptr<const ListRanker>> ListRanker::create(
    RankingModel model, std::vector<CandidateSource> sources, const data::Dataset& dataset,
    std::int64_t threads, std::shared_ptr<CandidateAsker> asker) {
  if (reads_profiles(model))
    return fail(
        ErrorCode::kUnsupported,
        "the ranking reads profiles that a language model was asked for beforehand, which a "
        "request cannot wait for: train one without --profiles");
  if (reads_scores(model) && asker == nullptr)
    return fail(ErrorCode::kUnsupported,
                "the ranking reads what a language model says of the candidates, and none is there "
                "to be asked: name it, or train a ranking without --language-scores");
  retrieval::TrainingThreads workers(threads);
  TRY(FeatureSet features, palr_features(dataset, sources, model.options,
                                         {.asker = reads_scores(model) ? std::move(asker) : nullptr,
                                          .embeddings = model.embeddings},
                                         workers));
  TRY_VOID(check_columns(features, model, "the ranking"));
  return std::shared_ptr<const ListRanker>(
      new ListRanker(std::move(model), std::move(sources), std::move(features)));
}

Result<RankedList> ListRanker::rank(const retrieval::Query& query, const PoolFilter& filter,
                                    const std::function<bool()>& late,
                                    std::stop_token stop_token) const {
  const auto in_time = [&]() -> Result<void> {
    if (late && late()) return fail(ErrorCode::kTimeout, "the ranking took too long");
    return {};
  };
  RankedList list;
  TRY(list.pool, candidates(sources_, query, model_.options.pool, filter, in_time));
  TRY_VOID(in_time());
  TRY_VOID(features_.rows({.user = query.user,
                           .history = query.history,
                           .pool = list.pool,
                           .stop_token = std::move(stop_token)},
                          list.rows));
  TRY_VOID(in_time());
  list.scores.resize(list.pool.size());
  TRY_VOID(model_.ranker->score(list.rows, list.scores));
  return list;
}

Result<std::vector<std::vector<Contribution>>> ListRanker::raised_by(
    const RankedList& list, std::span<const std::size_t> places, std::size_t count) const {
  const std::size_t width = columns().size();
  std::vector<float> rows;
  for (const std::size_t place : places)
    rows.insert(rows.end(), list.rows.begin() + static_cast<std::ptrdiff_t>(place * width),
                list.rows.begin() + static_cast<std::ptrdiff_t>((place + 1) * width));
  TRY(const std::vector<float> amounts, model_.ranker->contributions(rows));
  const std::vector<std::size_t> own = own_columns(columns());
  std::vector<std::vector<Contribution>> raised;
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::map<std::size_t, float> of_feature;
    for (std::size_t c = 0; c < width; ++c)
      if (!columns()[c].of_user) of_feature[own[c]] += amounts[i * (width + 1) + c];
    std::vector<Contribution> most;
    for (const auto& [column, amount] : of_feature)
      if (amount > 0) most.push_back({column, amount});
    std::ranges::sort(most, [](const Contribution& a, const Contribution& b) {
      return a.amount != b.amount ? a.amount > b.amount : a.column < b.column;
    });
    if (most.size() > count) most.resize(count);
    raised.push_back(std::move(most));
  }
  return raised;
}

}  // namespace rapport::palr
