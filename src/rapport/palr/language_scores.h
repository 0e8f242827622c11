// What a language model thinks of users' candidates: asked once, kept in a file, read by every
// ranker after that.
//
//   TRY(const auto report, score_users(dataset, sources, Split::kValidation, users, model, options,
//                                      "scores.jsonl", context));
//   TRY(const LanguageScores scores, LanguageScores::open("scores.jsonl", dataset));
//   scores.find(user, history.size());
//
// How it is asked says candidate_asker.h, how the answers are kept answer_file.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "rapport/base/json_member.h"
#include "rapport/palr/answer_file.h"
#include "rapport/palr/candidate_asker.h"
#include "rapport/palr/candidates.h"
#include "rapport/palr/features.h"
#include "rapport/palr/questions.h"

namespace rapport::palr {

class LanguageScores {
 public:
  /// Errors: those of AnswerFile::read.
  static Result<LanguageScores> open(const std::filesystem::path& path,
                                     const data::Dataset& dataset);

  /// None where it was not asked.
  const ScoredCandidates* find(const AskedKey& key) const;
  std::size_t size() const { return scored_.size(); }
  /// How they were made: {"model", "ask", "options", "data", …}.
  const Json& about() const { return about_; }
  bool has_priors() const { return base::text_member(about_, "ask") == "titles"; }

 private:
  Json about_;
  std::map<AskedKey, ScoredCandidates> scored_;
};

/// Asks `model` for those of `users` with an item held out whom the file lacks yet; the seed is of
/// the orders. Returns {"users", "asked", "candidates", "found" (share of
/// held-out items among the candidates), "seconds", "seconds_per_user"}. Errors: kInvalidArgument;
/// kConflict for such a file, naming what differs; kCancelled; those of the model.
Result<Json> score_users(const data::Dataset& dataset, std::span<const CandidateSource> sources,
                         data::Split split, const Lot& users, language::EmbeddedModel& model,
                         const PoolOptions& pool, const LanguageScoreOptions& options,
                         const std::filesystem::path& path, const AskingContext& context);

inline constexpr std::string_view kLanguageFeatures[] = {"language_title", "language_lift",
                                                         "language_letter"};

/// The scores as features: of candidates that were not asked about the least of those that were.
/// `scores` outlives it.
FeatureFamily language_features(const LanguageScores& scores);
/// The same features of what `asker` says when they are computed, which takes a second or two.
FeatureFamily language_features(std::shared_ptr<CandidateAsker> asker);

}  // namespace rapport::palr
