// Trains a LoRA adapter of a language model on texts whose answers it shall give.
//
//   std::vector<TrainingText> texts{{.tokens = model.tokenize(prompt + answer), .answer = n}};
//   TRY(const TunedAdapter tuned, train_lora("smollm2-135m.gguf", texts, options, context));
//   TRY_VOID(write_adapter(tuned.adapter, folder / "adapter.gguf"));
//
// The frozen layers below the trained ones are run once a text and their output is kept, so that
// later epochs begin where training does. Texts are packed side by side without padding, and only
// the tokens of answers are scored. Source: Hu et al. 2021 (LoRA).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/config.h"
#include "rapport/base/json.h"
#include "rapport/tuning/lora_adapter.h"

namespace rapport::tuning {

/// One example: a prompt and, from `answer` on, what shall follow it.
struct TrainingText {
  std::vector<std::int32_t> tokens;
  std::int64_t answer = 0;  // of `tokens`, 1 at least: the first that is learnt
};

/// Defaults: Hu et al. 2021 (rank, targets, rate); batches and cache for a machine of two cores.
struct LoraOptions {
  std::int64_t rank = 8;
  double alpha = 32;
  /// Matrices of each trained layer, by llama.cpp's names.
  std::vector<std::string> targets = {"attn_q", "attn_v"};
  /// The uppermost layers that are trained; 0: all. Those below are run once a text.
  std::int64_t layers = 0;
  double learning_rate = 1e-4;  // of Adam, at its highest
  double warmup = 0.05;         // share of the steps in which the rate rises to that; it then falls
                                // to 0 along a cosine
  std::int64_t epochs = 1;
  std::int64_t batch_tokens = 2048;  // a step, of whole texts
  /// Most memory for the kept output of the frozen layers, MiB; where that does not suffice, they
  /// are run again.
  std::int64_t cache_mib = 4096;

  void describe(base::OptionSet& set);
  /// All but those of frozen layers.
  void describe_learning(base::OptionSet& set);
  /// Errors: kInvalidArgument, naming the option.
  Result<void> check() const;
  Json to_json() const;
};

struct TuneProgress {
  std::int64_t step = 0, steps = 0;  // from 1
  double loss = 0;                   // mean a token since the last progress
  double tokens_per_second = 0;      // of prompts and answers
  double seconds = 0;                // since the start, before a resumption too
};

/// The surroundings of a training.
struct TuneContext {
  const base::Clock& clock;
  std::int64_t seed = 1;
  std::int64_t threads = 0;  // 0: one a core
  /// Where it keeps its state every `checkpoint_every` steps, to go on from; "" keeps none.
  std::filesystem::path checkpoint = {};
  std::int64_t checkpoint_every = 20;
  bool resume = false;
  std::function<void(const TuneProgress&)> on_progress = {};
  std::stop_token stop_token = {};
};

struct TunedAdapter {
  LoraAdapter adapter;
  Json report = Json::object();  // {"steps", "loss", "tokens", "tokens_per_second", "seconds"}
};

/// Blocks. Errors: those of read_llama_shape; kInvalidArgument for options, and for a text that is
/// longer than the model's context or has no answer, with its number; kConflict for a checkpoint of
/// another training, or one that `resume` does not go on from; kUnsupported where libtorch is
/// missing; kCancelled; kInternal when the loss is not a number; kIo.
Result<TunedAdapter> train_lora(const std::filesystem::path& model,
                                std::span<const TrainingText> texts, const LoraOptions& options,
                                const TuneContext& context);

/// logits [answer tokens × vocabulary] of a text's answer, by the network that is trained, with an
/// adapter or without: what holds it against llama.cpp. Errors: as train_lora.
Result<std::vector<float>> answer_logits(const std::filesystem::path& model,
                                         const TrainingText& text, const LoraAdapter* adapter);

}  // namespace rapport::tuning
