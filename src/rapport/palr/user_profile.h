// What a user likes, in keywords that a language model chooses among those that their history
// bears out: the paper's first step.
//
//   TRY(const UserProfile profile, profiler.profile(history));
//   profile.lasting[0].text;          // "film-noir"
//   profile.lasting[0].evidence;      // items of the history that it comes from
//
// Offered are keywords that the history has more often than chance would (a likelihood ratio
// against the catalogue). The language model is shown the history and the list, and a keyword
// counts by how much likelier it answers with it than without the history. Each next one counts
// less for evidence that one before it has, so that a taste for pop music stands beside one for
// fantasy films. What lasts, and what is new, are asked apart. The same history gives the same
// profile.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "rapport/palr/questions.h"
#include "rapport/palr/supported_keywords.h"
#include "rapport/palr/vocabulary.h"

namespace rapport::palr {

struct ProfileOptions {
  std::string choose = "language";  // what lifts the language model's; or "support"
  std::int64_t keywords = 6;        // of each part
  std::int64_t offered = 16;        // that the language model chooses from
  std::int64_t recent = 5;          // newest items: what is new
  QuestionOptions question = {};

  void describe(base::OptionSet& set);
  /// Errors: kInvalidArgument, naming the option.
  Result<void> check() const;
  bool asks_a_model() const { return choose == "language"; }
  Json to_json() const;
};

struct UserProfile {
  std::vector<PreferenceKeyword> lasting;  // of the whole history, most important first
  std::vector<PreferenceKeyword> recent;   // of its newest items; empty for a short history
};

/// The order in which `offered` are taken, up to `count`: by lift, less what the evidence of those
/// taken before covers. Places in `offered`.
std::vector<std::size_t> most_telling(std::span<const PreferenceKeyword> offered,
                                      std::int64_t count);

/// The data set, the vocabulary and the model outlive it. Thread-safe.
class Profiler {
 public:
  /// `model` may be null where the options choose by support. Errors: those of Questions::create
  /// and of ProfileOptions::check.
  static Result<Profiler> create(const data::Dataset& dataset, const Vocabulary& vocabulary,
                                 language::EmbeddedModel* model, const ProfileOptions& options);

  /// Oldest first; an empty history has an empty profile. Blocks. Errors: those of `fill` and of
  /// the model.
  Result<UserProfile> profile(std::span<const data::ItemIndex> history,
                              std::stop_token stop_token = {}) const;

 private:
  Profiler(const Vocabulary& vocabulary, language::EmbeddedModel* model,
           const ProfileOptions& options, std::optional<Questions> questions)
      : vocabulary_(&vocabulary),
        model_(model),
        options_(options),
        questions_(std::move(questions)) {}

  Result<std::vector<PreferenceKeyword>> part(std::span<const data::ItemIndex> history,
                                              std::stop_token stop_token) const;
  Result<std::vector<float>> likelihoods(std::span<const data::ItemIndex> history,
                                         std::span<const PreferenceKeyword> offered,
                                         std::stop_token stop_token) const;

  const Vocabulary* vocabulary_;
  language::EmbeddedModel* model_;
  ProfileOptions options_;
  std::optional<Questions> questions_;  // where a model is asked
};

}  // namespace rapport::palr
