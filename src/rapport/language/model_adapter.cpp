#include "rapport/language/model_adapter.h"

#include <fmt/format.h>
#include <llama.h>

#include "rapport/language/gguf_reader.h"
#include "rapport/language/llama_runtime.h"

namespace rapport::language {
namespace {

std::string metadata(const llama_model& model, const char* key) {
  char text[256] = {};
  return llama_model_meta_val_str(&model, key, text, sizeof text) > 0 ? text : "";
}

tl::unexpected<Error> of_another_model(const std::filesystem::path& path, const std::string& why) {
  return fail(ErrorCode::kConflict,
              fmt::format("{} is an adapter of another model: {}", path.string(), why), "adapter");
}

}  // namespace

Result<llama_adapter_lora*> load_adapter(llama_model& model, const std::filesystem::path& path) {
  {
    TRY(const GgufReader gguf, GgufReader::open(path));
    if (gguf.text("general.type") != "adapter" || gguf.text("adapter.type") != "lora")
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{} is no LoRA adapter: its metadata says something else", path.string()),
          "adapter");
    const std::string architecture = metadata(model, "general.architecture");
    if (gguf.architecture() != architecture)
      return of_another_model(path, fmt::format("it changes {} models, this one is {}",
                                                gguf.architecture(), architecture));
    // Ours say their base as the base says it; of others' the name is written by hand.
    const std::string base = gguf.text("general.base_model.0.name").value_or("");
    const std::string name = metadata(model, "general.name");
    if (gguf.text("rapport.about") && !base.empty() && !name.empty() && base != name)
      return of_another_model(
          path, fmt::format("it was trained on \"{}\", this one is \"{}\"", base, name));
  }
  const LlamaLogCapture log;
  llama_adapter_lora* const adapter = llama_adapter_lora_init(&model, path.c_str());
  if (adapter == nullptr) return of_another_model(path, log.last_error());
  return adapter;
}

Result<void> use_adapter(llama_context& context, llama_adapter_lora* adapter) {
  if (adapter == nullptr) return {};
  float scale = 1;
  if (llama_set_adapters_lora(&context, &adapter, 1, &scale) != 0)
    return fail(ErrorCode::kInternal, "llama.cpp does not take the adapter");
  return {};
}

}  // namespace rapport::language
