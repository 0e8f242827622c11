#include "rapport/language/model_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <llama.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <system_error>

#include "rapport/base/config.h"
#include "rapport/base/text.h"
#include "rapport/language/gguf_reader.h"

namespace rapport::language {
namespace {

namespace fs = std::filesystem;

std::int64_t count_parameters(const GgufReader& gguf) {
  std::int64_t parameters = 0;
  for (const GgufReader::Tensor& tensor : gguf.tensors())
    parameters += std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1},
                                  std::multiplies<>());
  return parameters;
}

bool is_encoder(const std::string& architecture) {
  return architecture.find("bert") != std::string::npos ||
         architecture.find("encoder") != std::string::npos;
}

/// Of a model in several files only the first is listed; llama.cpp finds the others beside it.
bool is_later_part(const GgufReader& gguf) {
  return gguf.integer("split.no").value_or(0) > 0;
}

Result<ModelFile> describe(const GgufReader& gguf) {
  ModelFile file;
  file.path = gguf.path();
  file.name = gguf.path().stem().string();
  file.bytes = static_cast<std::int64_t>(gguf.bytes());
  file.title = gguf.text("general.name").value_or("");
  file.architecture = gguf.architecture();
  if (file.architecture.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} names no architecture: it is not a model", file.path.string()),
                "model");
  if (const char* type =
          llama_ftype_name(static_cast<llama_ftype>(gguf.integer("general.file_type").value_or(0))))
    file.quantization = type;
  file.parameters = count_parameters(gguf);
  file.context_tokens = gguf.integer(file.architecture + ".context_length").value_or(0);
  file.has_chat_template = !gguf.text("tokenizer.chat_template").value_or("").empty();
  file.is_encoder = is_encoder(file.architecture);
  return file;
}

std::vector<fs::path> gguf_paths(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    std::error_code ignored;
    if (entry.path().extension() == ".gguf" && entry.is_regular_file(ignored))
      paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

fs::path find_by_exact_name(std::string_view wanted, const std::vector<fs::path>& folders) {
  for (const fs::path& folder : folders) {
    for (const fs::path& path : gguf_paths(folder)) {
      if (base::fold_case(path.stem().string()) == wanted) return path;
    }
  }
  return {};
}

Error not_found(std::string_view name, const ModelListing& listing,
                const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const ModelFile& file : listing.models) names.push_back(file.name);
  const std::string nearest = base::nearest(name, names);
  std::vector<std::string> searched;
  for (const fs::path& folder : folders) searched.push_back(folder.lexically_normal().string());
  std::string message = fmt::format("no model \"{}\" in {}", name, fmt::join(searched, ", "));
  if (!nearest.empty()) message += fmt::format("; did you mean \"{}\"?", nearest);
  if (nearest.empty() && !names.empty())
    message += fmt::format("; there is {}", fmt::join(names, ", "));
  if (names.empty()) message += ": run scripts/setup, or name a GGUF file by its path";
  return {ErrorCode::kNotFound, std::move(message), "model", "model_not_found", {}};
}

}  // namespace

Result<ModelFile> read_model_file(const fs::path& path) {
  TRY(const GgufReader gguf, GgufReader::open(path));
  return describe(gguf);
}

std::vector<fs::path> model_folders(const fs::path& home) {
  std::vector<fs::path> folders;
  if (!home.empty()) folders.push_back(home / "models");
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    const fs::path beside = program.parent_path().parent_path();
    folders.push_back(beside / "deps" / "models");
    folders.push_back(beside / "share" / "rapport" / "models");
  }
  return folders;
}

ModelListing list_models(const std::vector<fs::path>& folders) {
  ModelListing listing;
  for (const fs::path& folder : folders) {
    for (const fs::path& path : gguf_paths(folder)) {
      const std::string name = path.stem().string();
      const bool seen = std::any_of(listing.models.begin(), listing.models.end(),
                                    [&](const ModelFile& file) { return file.name == name; });
      if (seen) continue;
      auto gguf = GgufReader::open(path);
      if (gguf && is_later_part(*gguf)) continue;
      auto file = gguf ? describe(*gguf) : fail(std::move(gguf).error());
      if (file) {
        listing.models.push_back(*std::move(file));
      } else {
        listing.refused.push_back(std::move(file).error());
      }
    }
  }
  return listing;
}

Result<ModelFile> find_model(std::string_view name_or_path, const std::vector<fs::path>& folders) {
  if (name_or_path.empty())
    return fail(ErrorCode::kInvalidArgument, "the model's name is empty", "model");
  const fs::path path(name_or_path);
  std::error_code error;
  if (name_or_path.find('/') != std::string_view::npos || fs::is_regular_file(path, error))
    return read_model_file(path);

  std::string wanted = base::fold_case(name_or_path);
  if (wanted.ends_with(".gguf")) wanted.resize(wanted.size() - 5);
  if (const fs::path exact = find_by_exact_name(wanted, folders); !exact.empty())
    return read_model_file(exact);

  ModelListing listing = list_models(folders);
  std::vector<std::string> begin_so;
  const ModelFile* only = nullptr;
  for (const ModelFile& file : listing.models) {
    if (!base::fold_case(file.name).starts_with(wanted)) continue;
    begin_so.push_back(file.name);
    only = &file;
  }
  if (begin_so.size() > 1)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("several models begin with \"{}\": {}; name one in full", name_or_path,
                            fmt::join(begin_so, ", ")),
                "model");
  if (only == nullptr) return fail(not_found(name_or_path, listing, folders));
  return *only;
}

Result<void> check_chat_model(const ModelFile& file) {
  if (file.is_encoder)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} is a text encoder ({}), not a chat model: configure it under "
                            "language.embedding",
                            file.path.string(), file.architecture),
                "model");
  if (!file.has_chat_template)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} ({}) has no chat template, so it is no chat model: use an "
                            "instruction-tuned version of it, or name a template's file in "
                            "language.embedded.chat_template",
                            file.path.string(), file.architecture),
                "model");
  return {};
}

}  // namespace rapport::language
