// What librapport_tuning.so offers, by the names of the functions that open it.
#pragma once

#include "rapport/tuning/item_reading.h"
#include "rapport/tuning/lora_training.h"

namespace rapport::tuning {

/// As train_lora.
Result<TunedAdapter> train_lora_with_libtorch(const std::filesystem::path& model,
                                              std::span<const TrainingText> texts,
                                              const LoraOptions& options,
                                              const TuneContext& context);
/// As answer_logits.
Result<std::vector<float>> answer_logits_with_libtorch(const std::filesystem::path& model,
                                                       const TrainingText& text,
                                                       const LoraAdapter* adapter);
/// As tune_item_reader.
Result<TunedItemReader> tune_item_reader_with_libtorch(const std::filesystem::path& model,
                                                       const ItemSequences& learnt,
                                                       const ItemReadingOptions& options,
                                                       const TuneContext& context);

/// As next_item_logits.
Result<std::vector<float>> next_item_logits_with_libtorch(const std::filesystem::path& model,
                                                          const TunedItemReader& tuned,
                                                          std::span<const float> vectors,
                                                          std::span<const std::int32_t> sequence);

}  // namespace rapport::tuning
