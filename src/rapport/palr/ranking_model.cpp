#include "rapport/palr/ranking_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <system_error>

#include "rapport/base/files.h"
#include "rapport/base/json_member.h"
#include "rapport/retrieval/model_directory.h"

namespace rapport::palr {
namespace {

constexpr const char* kKind = "palr";

tl::unexpected<Error> corrupt(const std::filesystem::path& path, std::string_view fault) {
  return fail(ErrorCode::kCorrupt,
              fmt::format("{}: {}: train it again with rapport palr train", path.string(), fault));
}

tl::unexpected<Error> conflict(const std::filesystem::path& directory, std::string_view fault) {
  return fail(ErrorCode::kConflict, fmt::format("{} {}", directory.string(), fault));
}

Json to_json(const std::vector<Feature>& columns) {
  Json list = Json::array();
  for (const Feature& each : columns)
    list.push_back({{"name", each.name}, {"meaning", each.meaning}, {"of_user", each.of_user}});
  return list;
}

Json to_json(const std::vector<KnownSource>& sources) {
  Json list = Json::array();
  for (const KnownSource& each : sources)
    list.push_back({{"name", each.name},
                    {"kind", each.kind},
                    {"sha256", each.checksum},
                    {"proposes", each.proposes}});
  return list;
}

Result<Json> read_description(const std::filesystem::path& directory) {
  TRY(Json json, retrieval::read_model_description(directory));
  if (json["kind"] != kKind)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} is a model of the kind {} and no ranking model: name one that "
                            "rapport palr train made",
                            directory.string(), json["kind"].get<std::string>()));
  return json;
}

/// All of the model but its weights. Errors: kCorrupt.
Result<RankingModel> read_model(const Json& json, const std::filesystem::path& path) {
  RankingModel model;
  const Json* columns = base::member(json, "columns", &Json::is_array);
  const Json* sources = base::member(json, "retrievers", &Json::is_array);
  const Json* seed = base::member(json, "seed", &Json::is_number_integer);
  if (columns == nullptr || sources == nullptr || seed == nullptr)
    return corrupt(path, "columns, retrievers or seed is missing");
  for (const Json& each : *columns) {
    const Json* name = base::member(each, "name", &Json::is_string);
    const Json* meaning = base::member(each, "meaning", &Json::is_string);
    const Json* of_user = base::member(each, "of_user", &Json::is_boolean);
    if (name == nullptr || meaning == nullptr || of_user == nullptr)
      return corrupt(path, "a column has no name or meaning");
    model.columns.push_back(
        {name->get<std::string>(), meaning->get<std::string>(), "", of_user->get<bool>()});
  }
  for (const Json& each : *sources) {
    const Json* name = base::member(each, "name", &Json::is_string);
    const Json* kind = base::member(each, "kind", &Json::is_string);
    const Json* checksum = base::member(each, "sha256", &Json::is_string);
    const Json* proposes = base::member(each, "proposes", &Json::is_boolean);
    if (name == nullptr || kind == nullptr || checksum == nullptr)
      return corrupt(path, "a retriever has no name, kind or sha256");
    // Of models that were made before there were judges, all propose.
    model.sources.push_back({name->get<std::string>(), kind->get<std::string>(),
                             checksum->get<std::string>(),
                             proposes == nullptr || proposes->get<bool>()});
  }
  if (!std::ranges::is_partitioned(model.sources, std::identity{}, &KnownSource::proposes) ||
      (!model.sources.empty() && !model.sources.front().proposes))
    return corrupt(path, "no retriever proposes, or one behind a judge does");
  auto options = PalrOptions::from_json(json.value("options", Json()));
  if (!options) return corrupt(path, options.error().message);
  model.options = *std::move(options);
  model.seed = seed->get<std::int64_t>();
  model.language = json.value("language", Json());
  if (!model.language.is_null() && !model.language.is_object())
    return corrupt(path, "language is no object");
  model.report = json.value("report", Json::object());
  return model;
}

/// Whether one of a family's features is a column. Whole names: a retriever's columns begin with
/// what its folder is called.
bool has_column_of(const RankingModel& model, std::span<const std::string_view> features) {
  return std::ranges::any_of(model.columns, [&](const Feature& column) {
    return std::ranges::find(features, column.name) != features.end();
  });
}

/// Null without embeddings.
Json embedder_of(const RankingModel& model) {
  return model.embeddings ? Json(model.embeddings->embedder) : Json();
}

}  // namespace

Result<void> check_ranking_output(const std::filesystem::path& directory) {
  return retrieval::check_output(directory, kKind, "ranking model");
}

Result<void> save_ranking_model(const RankingModel& model, const data::Dataset& dataset,
                                const std::filesystem::path& directory) {
  TRY_VOID(check_ranking_output(directory));
  return base::write_directory_atomically(
      directory, [&](const std::filesystem::path& folder) -> Result<void> {
        base::SafetensorsWriter writer;
        model.ranker->save(writer);
        if (model.embeddings) retrieval::add_item_embeddings(*model.embeddings, writer);
        return retrieval::write_model_files(folder, dataset,
                                            {{"kind", kKind},
                                             {"ranker", model.ranker->kind()},
                                             {"options", model.options.to_json()},
                                             {"seed", model.seed},
                                             {"retrievers", to_json(model.sources)},
                                             {"language", model.language},
                                             {"embedder", embedder_of(model)},
                                             {"report", model.report},
                                             {"columns", to_json(model.columns)}},
                                            writer);
      });
}

Result<RankingModel> load_ranking_model(const std::filesystem::path& directory,
                                        const data::Dataset& dataset) {
  TRY(const Json description, read_description(directory));
  const std::filesystem::path path = directory / "model.json";
  TRY(RankingModel model, read_model(description, path));
  const Json* kind_name = base::member(description, "ranker", &Json::is_string);
  if (kind_name == nullptr) return corrupt(path, "ranker is missing");
  const Json* checksum = base::member(description["data"], "checksum", &Json::is_string);
  model.data_checksum = checksum == nullptr ? "" : checksum->get<std::string>();
  const auto kind = find_ranker_kind(kind_name->get<std::string>());
  if (!kind)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: this build knows no ranker {}: upgrade Rapport, or train it again",
                            directory.string(), kind_name->get<std::string>()));
  TRY(const base::Safetensors weights,
      retrieval::open_model_weights(directory, description, dataset));
  auto ranker = (*kind)->load(weights, static_cast<std::int64_t>(model.columns.size()));
  if (!ranker) return corrupt(directory, ranker.error().message);
  model.ranker = *std::move(ranker);
  if (reads_embeddings(model)) {
    auto embeddings = retrieval::read_item_embeddings(
        weights, base::text_member(description, "embedder"), dataset.items());
    if (!embeddings) return corrupt(directory, embeddings.error().message);
    model.embeddings = std::make_shared<const retrieval::ItemEmbeddings>(*std::move(embeddings));
  }
  return model;
}

Result<std::vector<CandidateSource>> arranged(std::span<const CandidateSource> sources,
                                              const RankingModel& model,
                                              const std::filesystem::path& directory) {
  std::vector<CandidateSource> in_order;
  for (const KnownSource& known : model.sources) {
    const auto found = std::ranges::find(sources, known.checksum, &CandidateSource::checksum);
    if (found == sources.end())
      return conflict(directory,
                      fmt::format("learned from the scores of another model {} ({}) than those "
                                  "named: name the one it was trained with, or train it again",
                                  known.name, known.kind));
    in_order.push_back({known.name, known.checksum, found->model, known.proposes});
  }
  return in_order;
}

bool reads_scores(const RankingModel& model) {
  return has_column_of(model, kLanguageFeatures);
}

bool reads_profiles(const RankingModel& model) {
  return has_column_of(model, kProfileFeatures);
}

bool reads_embeddings(const RankingModel& model) {
  return has_column_of(model, kEmbeddingFeatures);
}

Result<LanguageAnswers> answers_for(const RankingModel& model, const LanguageAnswers& answers,
                                    const std::filesystem::path& directory) {
  LanguageAnswers read{.embeddings = model.embeddings};
  const auto check = [&](const auto* given, const char* what, const char* option) -> Result<void> {
    if (given == nullptr)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} reads a language model's {}: name them with --{}",
                              directory.string(), what, option),
                  option);
    const Json learned = model.language.value(what, Json::object());
    for (const auto& [key, value] : learned.items())
      if (!given->about().contains(key) || given->about()[key] != value)
        return conflict(directory,
                        fmt::format("learned from a language model's {} with another {}: make "
                                    "them with that, or train it again",
                                    what, key));
    return {};
  };
  if (reads_scores(model)) {
    TRY_VOID(check(answers.scores, "scores", "language-scores"));
    read.scores = answers.scores;
  }
  if (reads_profiles(model)) {
    TRY_VOID(check(answers.profiles, "profiles", "profiles"));
    read.profiles = answers.profiles;
  }
  return read;
}

Result<std::shared_ptr<CandidateAsker>> asker_for(const RankingModel& model,
                                                  const data::Dataset& dataset,
                                                  language::EmbeddedModel& language_model,
                                                  const std::filesystem::path& directory) {
  const Json learned = model.language.is_object() ? model.language.value("scores", Json()) : Json();
  const Json* seed = base::member(learned, "seed", &Json::is_number_integer);
  auto options = LanguageScoreOptions::from_json(
      learned.is_object() ? learned.value("options", Json()) : Json());
  if (seed == nullptr || !options)
    return corrupt(directory / "model.json",
                   "how the language model was asked that it learned from is missing");
  if (base::text_member(learned, "fingerprint") != language_model.fingerprint())
    return conflict(
        directory,
        fmt::format("learned from the answers of another language model, adapter or "
                    "build ({}) than {}: name that one, or ask this one and train "
                    "again",
                    base::text_member(learned, "model"), language_model.models().front().id));
  if (base::text_member(learned, "prompt") != asked_prompt(*options))
    return conflict(directory, "learned from answers to another prompt: ask anew, and train again");
  return CandidateAsker::create(dataset, language_model, *options, seed->get<std::int64_t>());
}

Result<void> check_columns(const FeatureSet& features, const RankingModel& model,
                           const std::filesystem::path& directory) {
  const auto& made = features.columns();
  for (std::size_t c = 0; c < std::max(made.size(), model.columns.size()); ++c) {
    const std::string ours = c < made.size() ? made[c].name : "";
    const std::string theirs = c < model.columns.size() ? model.columns[c].name : "";
    if (ours != theirs)
      return conflict(directory,
                      fmt::format("reads other features: its column {} is \"{}\", and \"{}\" is "
                                  "what this data set and Rapport make; train it again",
                                  c, theirs, ours));
  }
  return {};
}

}  // namespace rapport::palr
