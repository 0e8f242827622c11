// A learned ranker with all that it needs to be used again, and its directory: model.json (what it
// reads, of which retrievers and which data, how good) beside weights.safetensors.
//
//   TRY_VOID(save_ranking_model(model, dataset, "models/palr"));
//   TRY(const RankingModel model, load_ranking_model("models/palr", dataset));
//   TRY(const auto in_order, arranged(sources, model, "models/palr"));
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "rapport/palr/palr_options.h"

namespace rapport::palr {

/// A retriever whose scores the ranker reads.
struct KnownSource {
  std::string name, kind, checksum;  // as CandidateSource has them
  bool proposes = true;
};

struct RankingModel {
  std::unique_ptr<Ranker> ranker;
  PalrOptions options;
  std::vector<Feature> columns;
  std::vector<KnownSource> sources;  // in the order of their columns
  /// {"scores", "profiles"}: `about` of what it reads of a language model's answers; null: none.
  Json language;
  /// Those that it reads; null: none.
  std::shared_ptr<const retrieval::ItemEmbeddings> embeddings;
  std::int64_t seed = 1;
  std::string data_checksum;     // of the data set it learned from
  Json report = Json::object();  // "validation", "rounds", …: how it came about
};

/// That `directory` is free, or holds a ranking model, which may be replaced. Errors: kConflict.
Result<void> check_ranking_output(const std::filesystem::path& directory);

/// Whole or not at all. Errors: those of check_ranking_output; kIo.
Result<void> save_ranking_model(const RankingModel& model, const data::Dataset& dataset,
                                const std::filesystem::path& directory);

/// Errors: kNotFound; kCorrupt; kUnsupported (of a newer Rapport, or another kind of model);
/// kConflict when it was made for another catalogue. Each names the directory and what to do.
Result<RankingModel> load_ranking_model(const std::filesystem::path& directory,
                                        const data::Dataset& dataset);

/// Those of `sources` that the model learned from, in its order and by its names. Errors: kConflict
/// where one is missing.
Result<std::vector<CandidateSource>> arranged(std::span<const CandidateSource> sources,
                                              const RankingModel& model,
                                              const std::filesystem::path& directory);

/// Whether features of these answers are among its columns.
bool reads_scores(const RankingModel& model);
bool reads_profiles(const RankingModel& model);
bool reads_embeddings(const RankingModel& model);

/// Those of `answers` that the model reads, and the embeddings that it has. Errors: kConflict where
/// they are of another language model, or asked otherwise, than those that it learned from, naming
/// what differs; kInvalidArgument where they are missing.
Result<LanguageAnswers> answers_for(const RankingModel& model, const LanguageAnswers& answers,
                                    const std::filesystem::path& directory);

/// Who asks `language_model` what the ranking reads of one, in the same way as it was asked when
/// the ranking learned. The data set and the model outlive it. Errors: kConflict for another
/// language model, or another prompt; kCorrupt; those of CandidateAsker::create.
Result<std::shared_ptr<CandidateAsker>> asker_for(const RankingModel& model,
                                                  const data::Dataset& dataset,
                                                  language::EmbeddedModel& language_model,
                                                  const std::filesystem::path& directory);

/// Errors: kConflict when `features` are not the columns that the model reads, naming the first
/// that differs.
Result<void> check_columns(const FeatureSet& features, const RankingModel& model,
                           const std::filesystem::path& directory);

}  // namespace rapport::palr
