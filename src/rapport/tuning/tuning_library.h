// The library that tunes language models: opened when somebody does, so that the program starts,
// and runs, without libtorch.
#pragma once

#include "rapport/tuning/item_reading.h"
#include "rapport/tuning/llama_shape.h"
#include "rapport/tuning/lora_training.h"

namespace rapport::tuning {

/// What the library offers. It is built with the program and fits no other build of it.
struct TuningLibrary {
  std::uint64_t build = 0;  // kTuningBuild of the build it belongs to
  /// As the functions of those names in lora_training.h and item_reading.h.
  Result<TunedAdapter> (*train_lora)(const std::filesystem::path& model,
                                     std::span<const TrainingText> texts,
                                     const LoraOptions& options,
                                     const TuneContext& context) = nullptr;
  Result<std::vector<float>> (*answer_logits)(const std::filesystem::path& model,
                                              const TrainingText& text,
                                              const LoraAdapter* adapter) = nullptr;
  Result<TunedItemReader> (*tune_item_reader)(const std::filesystem::path& model,
                                              const ItemSequences& learnt,
                                              const ItemReadingOptions& options,
                                              const TuneContext& context) = nullptr;
  Result<std::vector<float>> (*next_item_logits)(const std::filesystem::path& model,
                                                 const TunedItemReader& tuned,
                                                 std::span<const float> vectors,
                                                 std::span<const std::int32_t> sequence) = nullptr;
};

/// Changes when a size of what passes between the two does. The number in front is for changes that
/// move no size.
inline constexpr std::uint64_t kTuningBuild = [] {
  std::uint64_t build = 1;
  for (const std::size_t size :
       {sizeof(LoraOptions), sizeof(TuneContext), sizeof(TuneProgress), sizeof(TunedAdapter),
        sizeof(LoraAdapter), sizeof(LoraMatrix), sizeof(TrainingText), sizeof(LlamaShape),
        sizeof(ItemSequences), sizeof(ItemReadingOptions), sizeof(TunedItemReader),
        sizeof(language::GgufReader), sizeof(base::OptionSet)})
    build = build * 1'000'003 + size;
  return build;
}();

/// Looked for beside the program, then where it was built. Opened once, never closed. Errors:
/// kUnsupported, saying what is missing (no such library, no libtorch on this machine).
Result<const TuningLibrary*> tuning_library();

}  // namespace rapport::tuning
