#include "rapport/tuning/training/text_objective.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/base/digest.h"
#include "rapport/tuning/training/lora_weights.h"

namespace rapport::tuning {

using torch::Tensor;

TextObjective::TextObjective(const LlamaNetwork& network, std::span<const TrainingText> texts,
                             const LoraOptions& options, std::int64_t seed)
    : network_(network),
      texts_(texts),
      options_(options),
      first_layer_(options.layers == 0
                       ? 0
                       : std::max<std::int64_t>(0, network.shape().layers - options.layers)),
      kept_(texts.size()) {
  base::SplitMix64 random(static_cast<std::uint64_t>(seed));
  lora_ = begin_lora(network.shape(), options, first_layer_, random, parameters_);
}

/// What the first trained layer gets.
Tensor TextObjective::frozen(const PackedTexts& texts, std::span<const std::size_t> part) {
  const torch::NoGradGuard no_gradient;
  if (first_layer_ == 0) return network_.embed(texts);
  std::vector<Tensor> kept;
  for (const std::size_t number : part)
    if (kept_[number].defined()) kept.push_back(kept_[number]);
  if (kept.size() == part.size()) return torch::cat(kept);
  const Tensor hidden =
      network_.run(network_.embed(texts), texts.packing, 0, first_layer_, nullptr);
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < part.size() && options_.epochs > 1; ++i) {
    const std::int64_t end = begin + PackedTexts::read_of(texts_[part[i]]);
    const std::int64_t bytes =
        (end - begin) * network_.shape().dimension * static_cast<std::int64_t>(sizeof(float));
    if (!kept_[part[i]].defined() && (kept_bytes_ += bytes) <= options_.cache_mib << 20)
      kept_[part[i]] = hidden.slice(0, begin, end).clone();
    begin = end;
  }
  return hidden;
}

Tensor TextObjective::loss(std::span<const std::size_t> part, std::uint64_t /*seed*/) {
  std::vector<const TrainingText*> chosen;
  for (const std::size_t number : part) chosen.push_back(&texts_[number]);
  const PackedTexts texts(chosen);
  const Tensor hidden = network_.run(frozen(texts, part), texts.packing, first_layer_,
                                     network_.shape().layers, &lora_);
  return torch::nn::functional::cross_entropy(
      network_.logits(hidden), texts.answers,
      torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum));
}

Json TextObjective::fingerprint() const {
  std::string bytes;
  for (const TrainingText& text : texts_) {
    bytes += fmt::format("{} {}\n", text.tokens.size(), text.answer);
    bytes.append(reinterpret_cast<const char*>(text.tokens.data()),
                 text.tokens.size() * sizeof(std::int32_t));
  }
  return {{"options", options_.to_json()}, {"texts", base::digest(bytes)}};
}

}  // namespace rapport::tuning
