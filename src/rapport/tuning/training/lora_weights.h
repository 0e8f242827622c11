// The matrices of a LoRA while they are learnt.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rapport/base/random.h"
#include "rapport/tuning/training/llama_network.h"
#include "rapport/tuning/training/objective.h"

namespace rapport::tuning {

/// Uniform in ±bound, and to be learnt. [rows × columns].
Parameter uniform_parameter(std::string name, std::int64_t rows, std::int64_t columns, double bound,
                            base::SplitMix64& random);
Parameter zero_parameter(std::string name, std::int64_t rows, std::int64_t columns);

/// Of the layers from `first` on, by the options' targets; into `parameters` what of it is learnt.
/// The product of each pair is nothing at first: `up` is zero. Source: Hu et al. 2021.
Lora begin_lora(const LlamaShape& shape, const LoraOptions& options, std::int64_t first,
                base::SplitMix64& random, std::vector<Parameter>& parameters);

/// [rows × columns], row-major.
std::vector<float> floats(const torch::Tensor& tensor);

LoraAdapter adapter_of(const Lora& lora, const LlamaNetwork& network, const LoraOptions& options,
                       std::int64_t seed);

}  // namespace rapport::tuning
