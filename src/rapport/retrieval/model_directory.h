// A fitted model on disk: model.json (what it is, of which data, how good) beside its weights and
// the curves of its training.
//
//   TRY_VOID(save_model(fit, dataset, "models/sasrec"));
//   TRY(const auto model, load_retriever("models/sasrec", dataset));
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

/// That `directory` is free for a model, or holds one that may be replaced; asked before hours of
/// training. Errors: kConflict.
Result<void> check_output(const std::filesystem::path& directory);

/// The same for a model of one kind, `what` for people ("ranking model"): no other is replaced.
/// Errors: kConflict.
Result<void> check_output(const std::filesystem::path& directory, std::string_view kind,
                          std::string_view what);

/// Written beside `directory` and renamed: whole or not at all; only then is the fit's `checkpoint`
/// removed, if it had one. Errors: those of check_output; kIo.
Result<void> save_model(const Fit& fit, const data::Dataset& dataset,
                        const std::filesystem::path& directory,
                        const std::filesystem::path& checkpoint = {});

/// model.json, checked for its form and version. Errors: as load_retriever, but for the weights.
Result<Json> read_model_description(const std::filesystem::path& directory);

// What the directories of other models of a data set are made of too.

/// Into `folder` the weights and model.json: `description`, with the format, the data set and the
/// weights' checksum. Errors: kIo.
Result<void> write_model_files(const std::filesystem::path& folder, const data::Dataset& dataset,
                               Json description, const base::SafetensorsWriter& weights);
/// The weights that `description` names. Errors: kConflict for another catalogue; kCorrupt.
Result<base::Safetensors> open_model_weights(const std::filesystem::path& directory,
                                             const Json& description, const data::Dataset& dataset);

/// Errors: kNotFound; kCorrupt (checksum, shape, not a model); kUnsupported (written by a newer
/// Rapport, or of a kind this build does not know); kConflict when it was trained on another
/// catalogue than `dataset`'s. Each names the directory and what to do.
Result<std::unique_ptr<Retriever>> load_retriever(const std::filesystem::path& directory,
                                                  const data::Dataset& dataset);
/// The same for what learns from the model's scores or vectors. Errors: kConflict (param: models)
/// for one that was trained on other interactions with the same catalogue: it may have learnt the
/// very items that it is asked for.
Result<std::unique_ptr<Retriever>> load_retriever_of(const std::filesystem::path& directory,
                                                     const data::Dataset& dataset);

}  // namespace rapport::retrieval
