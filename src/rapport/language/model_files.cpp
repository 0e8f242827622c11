#include "rapport/language/model_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gguf.h>
#include <llama.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <system_error>

#include "rapport/base/config.h"
#include "rapport/base/text.h"
#include "rapport/language/llama_runtime.h"

namespace rapport::language {
namespace {

namespace fs = std::filesystem;

struct GgufDeleter {
  void operator()(gguf_context* context) const { gguf_free(context); }
};
using Gguf = std::unique_ptr<gguf_context, GgufDeleter>;

std::string string_value(const gguf_context* gguf, const std::string& key) {
  const std::int64_t id = gguf_find_key(gguf, key.c_str());
  if (id < 0 || gguf_get_kv_type(gguf, id) != GGUF_TYPE_STRING) return {};
  return gguf_get_val_str(gguf, id);
}

std::int64_t integer_value(const gguf_context* gguf, const std::string& key) {
  const std::int64_t id = gguf_find_key(gguf, key.c_str());
  if (id < 0) return 0;
  switch (gguf_get_kv_type(gguf, id)) {
    case GGUF_TYPE_UINT16: return gguf_get_val_u16(gguf, id);
    case GGUF_TYPE_UINT32: return gguf_get_val_u32(gguf, id);
    case GGUF_TYPE_INT32: return gguf_get_val_i32(gguf, id);
    case GGUF_TYPE_INT64: return gguf_get_val_i64(gguf, id);
    case GGUF_TYPE_UINT64:
      return static_cast<std::int64_t>(std::min<std::uint64_t>(
          gguf_get_val_u64(gguf, id), std::numeric_limits<std::int64_t>::max()));
    default: return 0;
  }
}

std::int64_t count_parameters(const gguf_context* gguf) {
  std::int64_t parameters = 0;
  for (std::int64_t i = 0; i < gguf_get_n_tensors(gguf); ++i) {
    const std::int64_t* sizes = gguf_get_tensor_ne(gguf, i);
    parameters += sizes[0] * sizes[1] * sizes[2] * sizes[3];
  }
  return parameters;
}

/// Bytes the file must have to hold all its tensors.
std::uint64_t announced_bytes(const gguf_context* gguf) {
  std::uint64_t end = 0;
  for (std::int64_t i = 0; i < gguf_get_n_tensors(gguf); ++i) {
    end = std::max<std::uint64_t>(end,
                                  gguf_get_tensor_offset(gguf, i) + gguf_get_tensor_size(gguf, i));
  }
  return gguf_get_data_offset(gguf) + end;
}

bool is_encoder(const std::string& architecture) {
  return architecture.find("bert") != std::string::npos ||
         architecture.find("encoder") != std::string::npos;
}

/// Of a model in several files only the first is listed; llama.cpp finds the others beside it.
bool is_later_part(const gguf_context* gguf) {
  return integer_value(gguf, "split.no") > 0;
}

Result<Gguf> open_gguf(const fs::path& path) {
  TRY_VOID(start_llama_runtime());
  const LlamaLogCapture log;
  Gguf gguf(gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr}));
  if (!gguf)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not a GGUF model: {}", path.string(), log.last_error()),
                "model");
  return gguf;
}

Result<ModelFile> describe(const fs::path& path, const gguf_context* gguf) {
  ModelFile file;
  file.path = path;
  file.name = path.stem().string();
  std::error_code error;
  file.bytes = static_cast<std::int64_t>(fs::file_size(path, error));
  if (error)
    return fail(ErrorCode::kIo, fmt::format("{}: {}", path.string(), error.message()), "model");
  const std::uint64_t announced = announced_bytes(gguf);
  if (announced > static_cast<std::uint64_t>(file.bytes))
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} is cut short: {} of {} bytes are there; fetch it again",
                            path.string(), file.bytes, announced),
                "model");
  file.title = string_value(gguf, "general.name");
  file.architecture = string_value(gguf, "general.architecture");
  if (file.architecture.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} names no architecture: it is not a model", path.string()), "model");
  if (const char* type =
          llama_ftype_name(static_cast<llama_ftype>(integer_value(gguf, "general.file_type"))))
    file.quantization = type;
  file.parameters = count_parameters(gguf);
  file.context_tokens = integer_value(gguf, file.architecture + ".context_length");
  file.has_chat_template = !string_value(gguf, "tokenizer.chat_template").empty();
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
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    return fail(ErrorCode::kNotFound, fmt::format("there is no model file {}", path.string()),
                "model", "model_not_found");
  TRY(const Gguf gguf, open_gguf(path));
  return describe(path, gguf.get());
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
      auto gguf = open_gguf(path);
      if (gguf && is_later_part(gguf->get())) continue;
      auto file = gguf ? describe(path, gguf->get()) : fail(std::move(gguf).error());
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
