// A llama model of a few thousand random weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "rapport/language/gguf_writer.h"
#include "rapport/tuning/llama_shape.h"

namespace rapport::testing {

inline constexpr tuning::LlamaShape kTinyShape{.vocabulary = 97,
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
void write_tiny_llama(const std::filesystem::path& path,
                      const tuning::LlamaShape& shape = kTinyShape,
                      const std::function<void(language::GgufWriter&)>& change = {});

/// ‖a − b‖ / ‖b‖.
double relative_difference(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace rapport::testing
