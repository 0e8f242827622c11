// What llama.cpp computes with a model: what ours is held against.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace rapport::tuning {

/// llama.cpp's logits of the positions from `first` on, [positions × vocabulary], with the adapter
/// at that path unless it is empty.
std::vector<float> llama_logits(const std::filesystem::path& model,
                                const std::vector<std::int32_t>& tokens, std::size_t first,
                                const std::filesystem::path& adapter = {});

}  // namespace rapport::tuning
