// A LoRA adapter in use: a GGUF file that changes what a language model writes.
//
//   TRY(llama_adapter_lora* const adapter, load_adapter(*model, "adapter.gguf"));
//   TRY_VOID(use_adapter(*context, adapter));
//
// `rapport palr finetune` writes such files, llama.cpp's convert_lora_to_gguf.py makes them of
// others.
#pragma once

#include <filesystem>

#include "rapport/base/result.h"

struct llama_adapter_lora;
struct llama_context;
struct llama_model;

namespace rapport::language {

/// It lives as long as the model. Errors: those of GgufReader::open; kInvalidArgument for what is
/// no LoRA adapter; kConflict for one of another model, naming both.
Result<llama_adapter_lora*> load_adapter(llama_model& model, const std::filesystem::path& path);

/// From now on `context` computes with it; null changes nothing. Errors: kInternal.
Result<void> use_adapter(llama_context& context, llama_adapter_lora* adapter);

}  // namespace rapport::language
