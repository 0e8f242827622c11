// What may be chosen of the learned ranking, from the candidates to the ranker.
//
//   PalrOptions options;
//   base::OptionSet set;
//   options.describe(set);              // set.assign("ranker", "mlp", "--set")
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rapport/palr/candidates.h"
#include "rapport/palr/feature_families.h"
#include "rapport/palr/language_scores.h"
#include "rapport/palr/ranker.h"
#include "rapport/palr/user_profiles.h"

namespace rapport::palr {

struct PalrOptions {
  PoolOptions pool;
  std::int64_t popularity_floor = 5;  // the 5 of the usual 5-core; feature_families.h says why
  bool metadata = false;              // price and sales rank
  /// Families of features, by the names in kFamilies; empty: all that there are.
  std::vector<std::string> features;
  double fraction = 0.2;            // of the users that the ranker learns from (paper, §7.1)
  std::string strata = "activity";  // what they are drawn by, as data::parse_group_by reads it
  RankerOptions ranker;

  void describe(base::OptionSet& set);
  /// Errors: kInvalidArgument, naming the option.
  Result<void> check() const;

  /// {"best": 50, …}: every option by its key.
  Json to_json() const;
  /// Errors: kCorrupt, where it is no such object.
  static Result<PalrOptions> from_json(const Json& json);
};

/// The families that can be named; prices and sales ranks come by `metadata` alone.
inline constexpr std::string_view kFamilies[] = {
    "retrievers", "interactions", "text", "attributes", "embeddings", "language", "profile"};

/// What language models made beforehand, of users and of items; each may be null.
struct LanguageAnswers {
  const LanguageScores* scores = nullptr;
  const UserProfiles* profiles = nullptr;
  /// In the place of `scores`: asked while a list is ranked.
  std::shared_ptr<CandidateAsker> asker = nullptr;
  std::shared_ptr<const retrieval::ItemEmbeddings> embeddings = nullptr;
};

/// The columns that these options ask for. What `language` points to outlives them; families of
/// what is null are not there. Errors: those of text_similarity_features; kInvalidArgument where
/// nothing is left of what was asked for.
Result<FeatureSet> palr_features(const data::Dataset& dataset,
                                 std::span<const CandidateSource> sources,
                                 const PalrOptions& options, const LanguageAnswers& language,
                                 retrieval::TrainingThreads& threads);

/// Those that the ranker learns from.
inline LotOptions learning_lot(const PalrOptions& options, std::int64_t seed) {
  return {options.fraction, options.strata, seed};
}

}  // namespace rapport::palr
