// Tunes a language model to read items in place of words, and to tell what comes next: each item is
// a vector of its input space (a soft token), its state behind the last item is held against the
// items' vectors. A history of fifty items then is fifty positions, where their titles would be
// five hundred, and what a retriever knows of an item gets in.
//
//   const ItemSequences learnt{.vectors = vectors, .width = 64, .items = flat, .offsets = offsets};
//   TRY(const TunedItemReader tuned, tune_item_reader("smollm2-135m.gguf", learnt, options,
//   context));
//
// Source: after E4SRec (Li et al. 2023), with a loss at every position.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "rapport/tuning/lora_training.h"

namespace rapport::tuning {

/// What is known of items, and the sequences to learn from.
struct ItemSequences {
  /// [items × width], 0 in the mean and 1 in the mean square: what each item is told by. They stay
  /// as they are.
  std::vector<float> vectors;
  std::int64_t width = 0;
  std::vector<std::int32_t> items;          // of all sequences, each oldest first
  std::vector<std::int64_t> offsets = {0};  // [sequences + 1] into `items`

  std::int64_t catalogue() const {
    return width > 0 ? static_cast<std::int64_t>(vectors.size()) / width : 0;
  }
  std::size_t sequences() const { return offsets.size() - 1; }
};

struct ItemReadingOptions {
  LoraOptions lora = {.targets = {"attn_q", "attn_v"}, .learning_rate = 1e-3};
  double dropout = 0.1;  // of what is read and of the last states

  void describe(base::OptionSet& set);
  /// Errors: kInvalidArgument, naming the option.
  Result<void> check() const;
  Json to_json() const;
};

/// d is the language model's dimension.
struct TunedItemReader {
  LoraAdapter adapter;
  std::vector<float> inputs;  // [(items + 1) × d]: of each item, and of the start of a sequence
  std::vector<float> output;  // [width × d]: of a state, after the last norm, into the items' space
  Json report = Json::object();  // as TunedAdapter's
};

/// Blocks. Errors: as train_lora; kInvalidArgument for a sequence of fewer than two items, more
/// than the model's context, or an item beyond the catalogue, with its number.
Result<TunedItemReader> tune_item_reader(const std::filesystem::path& model,
                                         const ItemSequences& learnt,
                                         const ItemReadingOptions& options,
                                         const TuneContext& context);

/// logits [positions × catalogue]: what comes after each of `sequence`, by the network that is
/// trained: what holds it against llama.cpp. `vectors` are those that were learnt with. Errors: as
/// tune_item_reader.
Result<std::vector<float>> next_item_logits(const std::filesystem::path& model,
                                            const TunedItemReader& tuned,
                                            std::span<const float> vectors,
                                            std::span<const std::int32_t> sequence);

}  // namespace rapport::tuning
