// How good the learned ranking is: held-out items ranked as in every evaluation, beside each
// retriever alone, with the pool's ceiling.
//
//   TRY(const RankingEvaluation found, evaluate_ranking(dataset, sources, model, {}, context));
//   print(dump_json(to_json(found)));
//
// All items count: those of the pool come in the ranker's order, all others behind them, so that a
// target outside of the pool is last. Users whom the ranker learned from are shown with all others
// and left out apart: the second figures are of users that it has never seen.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rapport/evaluation/comparison.h"
#include "rapport/palr/learning.h"

namespace rapport::palr {

/// One system beside the ranker, on the same users.
struct RankedBeside {
  std::string name;
  evaluation::RankingMetrics metrics;
  /// Of the ranker minus this one, of the reported metrics; empty where none was asked for.
  std::vector<evaluation::Estimate> differences;
};

/// A set of users.
struct RankedGroup {
  std::string name;  // "all", or "others": those that the ranker did not learn from
  evaluation::RankingMetrics metrics;
  std::vector<evaluation::Estimate> estimates;  // of the reported metrics
  double ceiling = 0;                    // share of targets in the pool: no ranking gets more
  double candidates = 0;                 // mean
  std::vector<RankedBeside> retrievers;  // in the model's order
  std::vector<RankedBeside> rankers;     // other ranking models
};

struct RankingEvaluation {
  std::string ranker, data, data_checksum;
  data::Split split = data::Split::kTest;
  std::vector<RankedGroup> groups;
  double confidence = 0.95;
  double seconds = 0;  // of candidates, features and ranking
};

struct RankingEvaluationOptions {
  /// On validation there is no group "all": its items are what the ranker learned from.
  data::Split split = data::Split::kTest;
  statistics::BootstrapOptions bootstrap = {};
  /// What a language model said. Only users that there are all these answers about count.
  LanguageAnswers language = {};
  /// Another ranking model and its sources, arranged, on the same users; null: none. Users whom
  /// either learned from are not among the others.
  const RankingModel* beside = nullptr;
  std::span<const CandidateSource> sources_beside = {};
  std::string beside_name = {};
};

/// `sources` as `arranged` gives them. Differences are of the best single retriever by the
/// validation in the model's report, and of every fusion. Errors: kConflict when the model learned
/// from other interactions than the data set's: whom it has seen would not be known; those of its
/// steps.
Result<RankingEvaluation> evaluate_ranking(const data::Dataset& dataset,
                                           std::span<const CandidateSource> sources,
                                           const RankingModel& model,
                                           const RankingEvaluationOptions& options,
                                           const LearningContext& context);

Json to_json(const RankingEvaluation& evaluation);
/// A table of each group: the ranker, the retrievers, the differences.
std::string to_markdown(const RankingEvaluation& evaluation);

}  // namespace rapport::palr
