// That a language model gives the answers of texts: the cross-entropy of their tokens.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "rapport/tuning/training/llama_network.h"
#include "rapport/tuning/training/objective.h"

namespace rapport::tuning {

class TextObjective final : public Objective {
 public:
  /// All but the seed outlive it.
  TextObjective(const LlamaNetwork& network, std::span<const TrainingText> texts,
                const LoraOptions& options, std::int64_t seed);

  const Lora& lora() const { return lora_; }

  std::size_t examples() const override { return texts_.size(); }
  std::int64_t tokens(std::size_t example) const override {
    return static_cast<std::int64_t>(texts_[example].tokens.size());
  }
  std::int64_t answers(std::size_t example) const override {
    return tokens(example) - texts_[example].answer;
  }
  torch::Tensor loss(std::span<const std::size_t> part, std::uint64_t seed) override;
  Json fingerprint() const override;
  std::span<const Parameter> parameters() const override { return parameters_; }

 private:
  torch::Tensor frozen(const PackedTexts& texts, std::span<const std::size_t> part);

  const LlamaNetwork& network_;
  std::span<const TrainingText> texts_;
  const LoraOptions& options_;
  const std::int64_t first_layer_;  // that is trained
  std::vector<Parameter> parameters_;
  Lora lora_;
  std::vector<torch::Tensor> kept_;  // by text: what that layer gets, where there was room
  std::atomic<std::int64_t> kept_bytes_ = 0;
};

}  // namespace rapport::tuning
