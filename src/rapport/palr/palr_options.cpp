#include "rapport/palr/palr_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "rapport/data/groups.h"
#include "rapport/palr/option_json.h"

namespace rapport::palr {

void PalrOptions::describe(base::OptionSet& set) {
  set.add("best", pool.best, "candidates of each retriever", 1, 10'000);
  set.add("popularity_floor", popularity_floor,
          "counts below it count as that; 1 is for an ablation, see docs/palr.md", 1, 1'000'000);
  set.add("metadata", metadata,
          "also price and sales rank, which may be of a time after the interactions");
  set.add("features", features,
          fmt::format("families it reads: {}; empty: all", fmt::join(kFamilies, ", ")));
  set.add("fraction", fraction, "of the users that the ranker learns from", 1e-6, 1);
  set.add("strata", strata, "what they are drawn by: age, gender, occupation, region, activity");
  ranker.describe(set);
}

Result<void> PalrOptions::check() const {
  TRY_VOID(data::parse_group_by(strata));
  for (const std::string& family : features)
    if (std::ranges::find(kFamilies, family) == std::end(kFamilies))
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("features has \"{}\": expected some of {}", family,
                              fmt::join(kFamilies, ", ")),
                  "features");
  return ranker.check();
}

Json PalrOptions::to_json() const {
  return option_json(*this);
}

Result<PalrOptions> PalrOptions::from_json(const Json& json) {
  return options_from_json<PalrOptions>(json, "what its options are");
}

namespace {

/// That there are the answers that a family asked for by its name needs.
Result<void> check_answers(const PalrOptions& options, const LanguageAnswers& language) {
  const auto check = [&](const char* family, bool is_there, const char* option) -> Result<void> {
    if (is_there || std::ranges::find(options.features, family) == options.features.end())
      return {};
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("features asks for {}: name its file with --{}", family, option),
                option);
  };
  TRY_VOID(check("language", language.scores != nullptr || language.asker != nullptr,
                 "language-scores"));
  TRY_VOID(check("embeddings", language.embeddings != nullptr, "embeddings"));
  return check("profile", language.profiles != nullptr, "profiles");
}

}  // namespace

Result<FeatureSet> palr_features(const data::Dataset& dataset,
                                 std::span<const CandidateSource> sources,
                                 const PalrOptions& options, const LanguageAnswers& language,
                                 retrieval::TrainingThreads& threads) {
  const auto wanted = [&](std::string_view family) {
    return options.features.empty() ||
           std::ranges::find(options.features, family) != options.features.end();
  };
  FeatureSet features;
  if (wanted("retrievers")) features.add(retriever_features(sources));
  if (wanted("interactions")) features.add(interaction_features(dataset, options.popularity_floor));
  if (wanted("text")) {
    TRY(FeatureFamily text, text_similarity_features(dataset, threads));
    features.add(std::move(text));
  }
  if (wanted("attributes")) features.add(attribute_features(dataset));
  TRY_VOID(check_answers(options, language));
  if (wanted("embeddings") && language.embeddings != nullptr)
    features.add(embedding_features(language.embeddings));
  if (wanted("language") && language.scores != nullptr) {
    features.add(language_features(*language.scores));
  } else if (wanted("language") && language.asker != nullptr) {
    features.add(language_features(language.asker));
  }
  if (wanted("profile") && language.profiles != nullptr)
    features.add(profile_features(*language.profiles));
  if (options.metadata) {
    FeatureFamily declared = metadata_features(dataset);
    if (declared.features.empty())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("metadata is asked for, but {} has no prices and no sales ranks: "
                              "prepare it with its items, or leave metadata out",
                              dataset.name()),
                  "metadata");
    features.add(std::move(declared));
  }
  if (features.columns().empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("there is nothing to rank by: {} has none of the features {}",
                            dataset.name(), fmt::join(options.features, ", ")),
                "features");
  return features;
}

}  // namespace rapport::palr
