// Which model files there are, and what is in them, without loading one.
//
//   const auto folders = model_folders(home);
//   TRY(const ModelFile file, find_model("smollm2-135m-instruct-q8_0", folders));
//   TRY_VOID(check_chat_model(file));
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::language {

/// What a GGUF says of itself.
struct ModelFile {
  std::filesystem::path path;
  std::string name;                 // the file's name without ".gguf"; what `find_model` takes
  std::string title;                // general.name, "" when absent
  std::string architecture;         // "llama", "bert", …
  std::string quantization;         // "Q8_0", "Q4_K - Medium", …
  std::int64_t parameters = 0;      // weights in the file
  std::int64_t context_tokens = 0;  // that it was trained for; 0 unknown
  std::int64_t bytes = 0;           // on disk
  bool has_chat_template = false;
  bool is_encoder = false;  // makes embeddings, cannot chat
};

/// Reads the header and checks that the file holds every tensor it announces. Errors: kNotFound;
/// kInvalidArgument (not a GGUF, or a version llama.cpp does not read); kCorrupt (cut short).
Result<ModelFile> read_model_file(const std::filesystem::path& path);

/// Where models are looked for, the first wins: `home`/models, then beside a build
/// (…/build/release/rapport → …/build/deps/models), then beside an installed program
/// (…/bin/rapport → …/share/rapport/models). An empty `home` is left out. Folders need not exist.
std::vector<std::filesystem::path> model_folders(const std::filesystem::path& home);

struct ModelListing {
  std::vector<ModelFile> models;  // by folder, then by name; a name found twice is listed once
  std::vector<Error> refused;     // .gguf files that `read_model_file` would not take
};
ModelListing list_models(const std::vector<std::filesystem::path>& folders);

/// A path (anything with a slash, or that exists) or a name: the file's name with or without
/// ".gguf", in any case, or a beginning that only one model has. Errors: those of
/// `read_model_file`; kNotFound with the nearest name and the folders that were searched;
/// kInvalidArgument when several begin so. Each has param "model".
Result<ModelFile> find_model(std::string_view name_or_path,
                             const std::vector<std::filesystem::path>& folders);

/// Errors: kUnsupported for a model that cannot hold a conversation (a text encoder, or one without
/// a chat template), saying which.
Result<void> check_chat_model(const ModelFile& file);

}  // namespace rapport::language
