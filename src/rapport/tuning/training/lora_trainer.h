// The training itself: batches of whole texts, the loss on their answers, Adam, checkpoints.
#pragma once

#include "rapport/tuning/lora_training.h"

namespace rapport::tuning {

/// As train_lora.
Result<TunedAdapter> train_with_libtorch(const std::filesystem::path& model,
                                         std::span<const TrainingText> texts,
                                         const LoraOptions& options, const TuneContext& context);
/// As answer_logits.
Result<std::vector<float>> answer_logits_with_libtorch(const std::filesystem::path& model,
                                                       const TrainingText& text,
                                                       const LoraAdapter* adapter);

}  // namespace rapport::tuning
