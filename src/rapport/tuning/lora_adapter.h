// A LoRA adapter: to some matrices of a language model it adds a product of two narrow ones, and is
// written as llama.cpp reads it.
//
//   LoraAdapter adapter{.rank = 8, .alpha = 32, .base = "SmolLM2 135M", .matrices = …};
//   TRY_VOID(write_adapter(adapter, folder / "adapter.gguf"));
//
// Source: Hu et al. 2021; llama.cpp's convert_lora_to_gguf.py for the metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::tuning {

/// y = W x becomes y = W x + alpha / rank · up (down x).
struct LoraMatrix {
  std::string tensor;            // "blk.3.attn_q.weight", of the base model
  std::int64_t in = 0, out = 0;  // of the base model's matrix
  std::vector<float> down = {};  // [rank × in]; llama.cpp's lora_a
  std::vector<float> up = {};    // [out × rank]; lora_b
  bool operator==(const LoraMatrix&) const = default;
};

struct LoraAdapter {
  std::int64_t rank = 0;
  double alpha = 0;
  std::string base;  // the model's general.name, to refuse another one
  std::vector<LoraMatrix> matrices;
  Json about = Json::object();  // what it was trained on and how
  bool operator==(const LoraAdapter&) const = default;
};

/// GGUF, matrices as f32; whole or not at all. Errors: kIo; kInvalidArgument.
Result<void> write_adapter(const LoraAdapter& adapter, const std::filesystem::path& path);
/// Errors: kNotFound; kInvalidArgument for what is no LoRA adapter; kCorrupt.
Result<LoraAdapter> read_adapter(const std::filesystem::path& path);

}  // namespace rapport::tuning
