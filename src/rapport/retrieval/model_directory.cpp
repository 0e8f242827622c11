#include "rapport/retrieval/model_directory.h"

#include <fmt/format.h>

#include <system_error>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/retrieval/training_curves.h"
#include "rapport/retrieval/training_loop.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr const char* kDescription = "model.json";
constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kCurves = "curves.svg";

tl::unexpected<Error> corrupt(const std::filesystem::path& path, std::string_view fault) {
  return fail(ErrorCode::kCorrupt,
              fmt::format("{}: {}: train the model again", path.string(), fault));
}

}  // namespace

Result<void> check_output(const std::filesystem::path& directory) {
  std::error_code error;
  const bool is_there =
      std::filesystem::exists(directory, error) && !std::filesystem::is_empty(directory, error);
  if (is_there && !std::filesystem::exists(directory / kDescription, error))
    return fail(
        ErrorCode::kConflict,
        fmt::format("{} exists and is not a model: name another --output", directory.string()),
        "output");
  return base::prepare_output(directory);
}

Result<void> check_output(const std::filesystem::path& directory, std::string_view kind,
                          std::string_view what) {
  std::error_code error;
  if (!std::filesystem::exists(directory, error) || std::filesystem::is_empty(directory, error))
    return base::prepare_output(directory);
  const auto description = read_model_description(directory);
  if (description && (*description)["kind"] == kind) return base::prepare_output(directory);
  return fail(
      ErrorCode::kConflict,
      fmt::format("{} exists and is no {}: name another --output", directory.string(), what),
      "output");
}

Result<void> save_model(const Fit& fit, const data::Dataset& dataset,
                        const std::filesystem::path& directory,
                        const std::filesystem::path& checkpoint) {
  TRY_VOID(check_output(directory));
  TRY_VOID(base::write_directory_atomically(
      directory, [&](const std::filesystem::path& folder) -> Result<void> {
        base::SafetensorsWriter writer;
        fit.model->save(writer);
        if (fit.report.contains("curve") && !fit.report["curve"].empty())
          TRY_VOID(
              base::write_file_atomically(folder / kCurves, training_curves(fit.report["curve"])));
        return write_model_files(folder, dataset,
                                 {{"kind", fit.model->kind()},
                                  {"options", fit.model->options()},
                                  {"training", fit.options},
                                  {"seed", fit.seed},
                                  {"report", fit.report}},
                                 writer);
      }));
  // Of a model without epochs it is not: another training left it.
  if (fit.report.contains("epochs")) remove_checkpoint(checkpoint);
  return {};
}

Result<void> write_model_files(const std::filesystem::path& folder, const data::Dataset& dataset,
                               Json description, const base::SafetensorsWriter& weights) {
  TRY_VOID(weights.write(folder / kWeights));
  TRY(const std::string checksum, base::sha256_file((folder / kWeights).string()));
  description["format"] = kFormat;
  description["data"] = {
      {"name", dataset.name()},         {"users", dataset.users()},
      {"items", dataset.items()},       {"interactions", dataset.interactions()},
      {"checksum", dataset.checksum()}, {"catalogue_checksum", dataset.catalogue_checksum()}};
  description["weights"] = {{"file", kWeights}, {"sha256", checksum}};
  return base::write_file_atomically(folder / kDescription, description.dump(2) + "\n");
}

Result<base::Safetensors> open_model_weights(const std::filesystem::path& directory,
                                             const Json& description,
                                             const data::Dataset& dataset) {
  if (description["data"]["catalogue_checksum"] != dataset.catalogue_checksum())
    return fail(ErrorCode::kConflict,
                fmt::format("{} was trained on another catalogue ({}) than that of {}: name the "
                            "data set it was trained on, or train it again",
                            directory.string(), description["data"]["name"].get<std::string>(),
                            dataset.name()));
  const std::filesystem::path weights = directory / kWeights;
  auto checksum = base::sha256_file(weights.string());
  if (!checksum) return corrupt(weights, "cannot be read");
  if (*checksum != description["weights"]["sha256"])
    return corrupt(weights, "its checksum is not the one in model.json");
  auto file = base::Safetensors::open(weights);
  if (!file) return corrupt(weights, file.error().message);
  return *std::move(file);
}

Result<Json> read_model_description(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kDescription;
  auto text = base::read_file(path, 16u << 20);
  if (!text && text.error().code == ErrorCode::kNotFound)
    return fail(ErrorCode::kNotFound,
                fmt::format("{} holds no model (no {}): make one with rapport train",
                            directory.string(), kDescription));
  if (!text) return fail(std::move(text).error());
  auto json = base::parse_json(*text, path.string());
  if (!json) return corrupt(path, json.error().message);
  if (!json->is_object() || !json->contains("format") || !(*json)["format"].is_number_integer())
    return corrupt(path, "it has no format");
  if (const auto format = (*json)["format"].get<std::int64_t>(); format > kFormat)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: format {} is of a newer Rapport (this one reads {}): upgrade, or "
                            "train the model again",
                            path.string(), format, kFormat));
  const auto has = [&](const char* name, Json::value_t type) {
    return json->contains(name) && (*json)[name].type() == type;
  };
  if (!has("kind", Json::value_t::string) || !has("options", Json::value_t::object) ||
      !has("data", Json::value_t::object) || !has("weights", Json::value_t::object))
    return corrupt(path, "kind, options, data or weights is missing");
  for (const char* name : {"catalogue_checksum", "name"}) {
    if (!(*json)["data"].contains(name) || !(*json)["data"][name].is_string())
      return corrupt(path, fmt::format("data.{} is missing", name));
  }
  if (!(*json)["weights"].contains("sha256") || !(*json)["weights"]["sha256"].is_string())
    return corrupt(path, "weights.sha256 is missing");
  return *std::move(json);
}

Result<std::unique_ptr<Retriever>> load_retriever(const std::filesystem::path& directory,
                                                  const data::Dataset& dataset) {
  TRY(const Json description, read_model_description(directory));
  const auto kind_name = description["kind"].get<std::string>();
  const auto kind = find_retriever_kind(kind_name);
  if (!kind)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: this build knows no model kind \"{}\": upgrade Rapport, or train "
                            "another kind",
                            directory.string(), kind_name));
  TRY(const base::Safetensors weights, open_model_weights(directory, description, dataset));
  auto model = (*kind)->load(description["options"], weights);
  // What it needs beside itself is no fault of the model's.
  if (!model &&
      (model.error().code == ErrorCode::kNotFound || model.error().code == ErrorCode::kConflict))
    return fail(model.error().code,
                fmt::format("{}: {}", directory.string(), model.error().message));
  if (!model) return corrupt(directory, model.error().message);
  if ((*model)->items() != dataset.items())
    return corrupt(directory, fmt::format("it scores {} items of a catalogue of {}",
                                          (*model)->items(), dataset.items()));
  return *std::move(model);
}

Result<std::unique_ptr<Retriever>> load_retriever_of(const std::filesystem::path& directory,
                                                     const data::Dataset& dataset) {
  TRY(auto model, load_retriever(directory, dataset));
  TRY(const Json description, read_model_description(directory));
  if (description.value(Json::json_pointer("/data/checksum"), Json()) != dataset.checksum())
    return fail(ErrorCode::kConflict,
                fmt::format("{} was trained on other interactions than {}, though on the same "
                            "catalogue: it may have learnt the items that it is asked for; "
                            "train it again",
                            directory.string(), dataset.name()),
                "models");
  return model;
}

}  // namespace rapport::retrieval
