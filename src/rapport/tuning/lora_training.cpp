#include "rapport/tuning/lora_training.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "rapport/tuning/tuning_library.h"

namespace rapport::tuning {
namespace {

constexpr std::array<const char*, 7> kTargets = {"attn_q",   "attn_k", "attn_v",  "attn_output",
                                                 "ffn_gate", "ffn_up", "ffn_down"};

}  // namespace

void LoraOptions::describe(base::OptionSet& set) {
  describe_learning(set);
  set.add("layers", layers, "uppermost layers that are trained; 0: all", 0, 10'000);
  set.add("cache_mib", cache_mib, "memory for the output of the frozen layers, MiB", 0, 1 << 20);
}

void LoraOptions::describe_learning(base::OptionSet& set) {
  set.add("rank", rank, "of the products that are added", 1, 1024);
  set.add("alpha", alpha, "their weight is alpha / rank", 1e-3, 1e6);
  set.add("targets", targets, fmt::format("matrices of a layer: {}", fmt::join(kTargets, ", ")));
  set.add("learning_rate", learning_rate, "of Adam, at its highest", 1e-8, 1);
  set.add("warmup", warmup, "share of the steps in which the rate rises; it then falls to 0", 0, 1);
  set.add("epochs", epochs, "passes over the texts", 1, 10'000);
  set.add("batch_tokens", batch_tokens, "tokens a step, of whole texts", 1, 1'000'000);
}

Result<void> LoraOptions::check() const {
  if (targets.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("no targets: name some of {}", fmt::join(kTargets, ", ")), "targets");
  for (const std::string& target : targets)
    if (std::ranges::find(kTargets, target) == kTargets.end())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("\"{}\" is no matrix of a layer: expected {}", target,
                              fmt::join(kTargets, ", ")),
                  "targets");
  return {};
}

Json LoraOptions::to_json() const {
  return {{"rank", rank},
          {"alpha", alpha},
          {"targets", targets},
          {"layers", layers},
          {"learning_rate", learning_rate},
          {"warmup", warmup},
          {"epochs", epochs},
          {"batch_tokens", batch_tokens},
          {"cache_mib", cache_mib}};
}

Result<TunedAdapter> train_lora(const std::filesystem::path& model,
                                std::span<const TrainingText> texts, const LoraOptions& options,
                                const TuneContext& context) {
  TRY_VOID(options.check());
  TRY(const TuningLibrary* const library, tuning_library());
  return library->train_lora(model, texts, options, context);
}

Result<std::vector<float>> answer_logits(const std::filesystem::path& model,
                                         const TrainingText& text, const LoraAdapter* adapter) {
  TRY(const TuningLibrary* const library, tuning_library());
  return library->answer_logits(model, text, adapter);
}

}  // namespace rapport::tuning
