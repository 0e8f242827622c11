// A ranking model at work on one request: with its retrievers and its features at hand.
//
//   TRY(RankingModel model, load_ranking_model(directory, dataset));
//   TRY(const auto sources, find_sources(model, "retrievers/films", dataset, {}));
//   TRY(const auto ranker, ListRanker::create(std::move(model), sources, dataset, threads));
//   TRY(const RankedList list, ranker->rank({.history = history}, filter));
//   list.pool.items[i]; list.scores[i];
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "rapport/palr/ranking_model.h"

namespace rapport::palr {

/// The retrievers that the model learned from, in its order and by its names: those of `loaded`,
/// the others looked for in the subfolders of `folder` by the checksum of their weights. Errors:
/// kConflict where one is nowhere, naming it; those of load_sources.
Result<std::vector<CandidateSource>> find_sources(const RankingModel& model,
                                                  const std::filesystem::path& folder,
                                                  const data::Dataset& dataset,
                                                  std::span<const CandidateSource> loaded);

/// Candidates with what they are ranked by.
struct RankedList {
  Pool pool;
  std::vector<float> rows;    // [candidates × columns], their features
  std::vector<float> scores;  // [candidates]; higher is better
};

/// What a feature added to a score.
struct Contribution {
  std::size_t column = 0;  // in columns()
  float amount = 0;
};

/// Immutable; thread-safe.
class ListRanker {
 public:
  /// `sources` are those of the model in its order. Counts and texts of the data set are read here,
  /// which takes seconds; it is not needed afterwards. Errors: those of palr_features and
  /// check_columns; kUnsupported for a model that reads what a language model says without an
  /// `asker`, which asks one for each list (asker_for), and for one that reads profiles.
  static Result<std::shared_ptr<const ListRanker>> create(
      RankingModel model, std::vector<CandidateSource> sources, const data::Dataset& dataset,
      std::int64_t threads, std::shared_ptr<CandidateAsker> asker = nullptr);

  const std::vector<CandidateSource>& sources() const { return sources_; }
  const std::vector<Feature>& columns() const { return features_.columns(); }
  std::string_view kind() const { return model_.ranker->kind(); }

  /// The best of each retriever and what the filter adds, scored; in the pool's order. `late`,
  /// where there is one, is asked before each of its steps whether to give up; a language model is
  /// stopped by `stop_token`. Errors: kTimeout and kCancelled then; those of candidates,
  /// FeatureSet::rows and Ranker::score.
  Result<RankedList> rank(const retrieval::Query& query, const PoolFilter& filter,
                          const std::function<bool()>& late = {},
                          std::stop_token stop_token = {}) const;
  /// Whether a list takes as long as a language model's answer.
  bool asks_a_language_model() const { return reads_scores(model_); }
  /// Of the candidates at `places`, what raised the score of each most above that of the average
  /// candidate that was learned from (SHAP values, of trees): at most `count`, the largest first,
  /// all above 0. A feature as it is and within the user count as one; those that are the same for
  /// all candidates of a user are left out. Errors: those of Ranker::contributions.
  Result<std::vector<std::vector<Contribution>>> raised_by(const RankedList& list,
                                                           std::span<const std::size_t> places,
                                                           std::size_t count) const;

 private:
  ListRanker(RankingModel model, std::vector<CandidateSource> sources, FeatureSet features);

  RankingModel model_;
  std::vector<CandidateSource> sources_;
  FeatureSet features_;
};

}  // namespace rapport::palr
