// What a language model thinks of users' candidates: asked once, kept in a file, read by every
// ranker after that.
//
//   TRY(const auto report, score_users(dataset, sources, Split::kValidation, users, model, options,
//                                      "scores.jsonl", context));
//   TRY(const LanguageScores scores, LanguageScores::open("scores.jsonl", dataset));
//   scores.find(user, history.size());
//
// Two ways to ask (QuestionOptions says what is shown):
//   titles   how likely the model writes a candidate's title as the next line of its answer
//            (log-probability), beside how likely it does without any history (the prior)
//   letters  candidates are listed with letters, and one pass tells how likely it answers each
//            letter (LlamaRec, Yue et al. 2023), averaged over orders: the mean of
//            log-probabilities
// They are kept as answer_file.h says.
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
#include "rapport/palr/candidates.h"
#include "rapport/palr/features.h"
#include "rapport/palr/questions.h"

namespace rapport::palr {

struct LanguageScoreOptions {
  std::string ask = "titles";    // or "letters"
  std::int64_t candidates = 50;  // of the pool, best first by the best rank of any source
  std::int64_t asked = 5;        // titles: how many the prompt asks for, as in tuning
  std::int64_t orders = 2;       // letters
  QuestionOptions question = {};

  void describe(base::OptionSet& set);
  /// Errors: kInvalidArgument, naming the option.
  Result<void> check() const;
  Json to_json() const;
};

/// Of one user with one history, candidate by candidate.
struct ScoredCandidates {
  std::vector<data::ItemIndex> items;
  std::vector<float> scores;  // natural logarithm
  std::vector<float> priors;  // titles: without a history; else empty
  float weight = 1;           // users that the one stands for
};

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

/// The places of a user's `orders` lists of so many candidates, by lot.
std::vector<std::vector<std::size_t>> letter_orders(std::size_t candidates, std::int64_t orders,
                                                    std::int64_t seed, data::UserIndex user);

inline constexpr std::string_view kLanguageFeatures[] = {"language_title", "language_lift",
                                                         "language_letter"};

/// The scores as features: of candidates that were not asked about the least of those that were.
/// `scores` outlives it.
FeatureFamily language_features(const LanguageScores& scores);

}  // namespace rapport::palr
