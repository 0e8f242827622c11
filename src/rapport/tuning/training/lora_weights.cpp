#include "rapport/tuning/training/lora_weights.h"

#include <cmath>

namespace rapport::tuning {

using torch::Tensor;

Parameter uniform_parameter(std::string name, std::int64_t rows, std::int64_t columns, double bound,
                            base::SplitMix64& random) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (float& value : values)
    value =
        static_cast<float>(bound * (2 * static_cast<double>(random.next() >> 11) * 0x1p-53 - 1));
  Tensor tensor = torch::tensor(at::ArrayRef<float>(values)).reshape({rows, columns});
  tensor.requires_grad_(true);
  return {std::move(name), tensor};
}

Parameter zero_parameter(std::string name, std::int64_t rows, std::int64_t columns) {
  return {std::move(name), torch::zeros({rows, columns}).requires_grad_(true)};
}

Lora begin_lora(const LlamaShape& shape, const LoraOptions& options, std::int64_t first,
                base::SplitMix64& random, std::vector<Parameter>& parameters) {
  Lora lora{.scale = options.alpha / static_cast<double>(options.rank), .pairs = {}};
  for (std::int64_t layer = first; layer < shape.layers; ++layer) {
    for (const std::string& target : options.targets) {
      const auto [out, in] = layer_matrix_shape(shape, target);
      const std::string name = layer_tensor(layer, target);
      parameters.push_back(uniform_parameter(name + ".lora_a", options.rank, in,
                                             1 / std::sqrt(static_cast<double>(in)), random));
      const Tensor down = parameters.back().value;
      parameters.push_back(zero_parameter(name + ".lora_b", out, options.rank));
      lora.pairs[name] = {down, parameters.back().value};
    }
  }
  return lora;
}

std::vector<float> floats(const Tensor& tensor) {
  const Tensor whole = tensor.detach().contiguous();
  const float* const data = whole.data_ptr<float>();
  return std::vector<float>(data, data + whole.numel());
}

LoraAdapter adapter_of(const Lora& lora, const LlamaNetwork& network, const LoraOptions& options,
                       std::int64_t seed) {
  LoraAdapter adapter{.rank = options.rank,
                      .alpha = options.alpha,
                      .base = network.name(),
                      .matrices = {},
                      .about = {{"options", options.to_json()}, {"seed", seed}}};
  for (const auto& [name, pair] : lora.pairs)
    adapter.matrices.push_back({.tensor = name,
                                .in = pair.down.size(1),
                                .out = pair.up.size(0),
                                .down = floats(pair.down),
                                .up = floats(pair.up)});
  return adapter;
}

}  // namespace rapport::tuning
