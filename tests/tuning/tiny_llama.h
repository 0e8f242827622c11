// A llama model of a few thousand random weights, and what llama.cpp computes with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "rapport/language/gguf_writer.h"
#include "rapport/tuning/llama_shape.h"

namespace rapport::tuning {

inline constexpr LlamaShape kTinyShape{.vocabulary = 97,
                                       .dimension = 48,
                                       .layers = 3,
                                       .heads = 6,
                                       .key_heads = 2,
                                       .head_dimension = 8,
                                       .inner = 80,
                                       .context = 128,
                                       .rope_base = 10'000,
                                       .norm_epsilon = 1e-5,
                                       .has_own_output = false};

/// Writes it; `change` may alter the metadata or add tensors first.
void write_tiny_llama(const std::filesystem::path& path, const LlamaShape& shape = kTinyShape,
                      const std::function<void(language::GgufWriter&)>& change = {});

/// llama.cpp's logits of the positions from `first` on, [positions × vocabulary], with the adapter
/// at that path unless it is empty.
std::vector<float> llama_logits(const std::filesystem::path& model,
                                const std::vector<std::int32_t>& tokens, std::size_t first,
                                const std::filesystem::path& adapter = {});

/// ‖a − b‖ / ‖b‖.
double relative_difference(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace rapport::tuning
