// That a language model which reads items tells the next one: the cross-entropy over the whole
// catalogue, at every position.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/tuning/item_reading.h"
#include "rapport/tuning/training/llama_network.h"
#include "rapport/tuning/training/objective.h"

namespace rapport::tuning {

class ItemObjective final : public Objective {
 public:
  /// All but the seed outlive it.
  ItemObjective(const LlamaNetwork& network, const ItemSequences& learnt,
                const ItemReadingOptions& options, std::int64_t seed);

  const Lora& lora() const { return lora_; }
  /// As TunedItemReader has them.
  torch::Tensor inputs() const;
  torch::Tensor output() const;

  std::size_t examples() const override { return learnt_.sequences(); }
  /// The start, and all items but the last, after which nothing comes.
  std::int64_t tokens(std::size_t example) const override {
    return learnt_.offsets[example + 1] - learnt_.offsets[example];
  }
  std::int64_t answers(std::size_t example) const override { return tokens(example) - 1; }
  torch::Tensor loss(std::span<const std::size_t> part, std::uint64_t seed) override;
  Json fingerprint() const override;
  std::span<const Parameter> parameters() const override { return parameters_; }

 private:
  const LlamaNetwork& network_;
  const ItemSequences& learnt_;
  const ItemReadingOptions& options_;
  torch::Tensor vectors_;  // [items × width]
  std::vector<Parameter> parameters_;
  Lora lora_;
  // Of the parameters: [1 × d]; [width × d], of an item's vector into what is read; [width × d], of
  // a state into the space of the vectors.
  torch::Tensor start_, input_, output_;
  double state_scale_ =
      1;  // of states: their length is about 1 then, so that one rate suits all that is learnt
};

}  // namespace rapport::tuning
