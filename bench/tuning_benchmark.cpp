// How fast a LoRA of the language model is trained: tokens a second of prompts and answers.
//
//   tuning_benchmark [--json] [TEXTS]
//
// Texts of 300 tokens, of which the last four are the answer; every layer trained, the upper half,
// and the upper half once the output of the lower is kept (from the second pass on).
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "figures.h"
#include "rapport/base/random.h"
#include "rapport/tuning/llama_shape.h"
#include "rapport/tuning/lora_training.h"

namespace rapport::tuning {
namespace {

constexpr const char* kModel = RAPPORT_BENCH_MODELS "/smollm2-135m-instruct-q8_0.gguf";

std::vector<TrainingText> made_up_texts(std::size_t count) {
  base::SplitMix64 random(1);
  std::vector<TrainingText> texts(count);
  for (TrainingText& text : texts) {
    for (int i = 0; i < 300; ++i)
      text.tokens.push_back(static_cast<std::int32_t>(
          base::below(static_cast<std::uint32_t>(random.next() >> 32), 40'000)));
    text.answer = 296;
  }
  return texts;
}

/// Of the last pass.
double tokens_per_second(const std::vector<TrainingText>& texts, const LoraOptions& options) {
  const base::SystemClock clock;
  double begun = 0, ended = 0;
  std::int64_t steps = 0;
  bench::must(train_lora(kModel, texts, options,
                         {.clock = clock, .on_progress = [&](const TuneProgress& progress) {
                            steps = progress.steps;
                            if (progress.step ==
                                progress.steps / options.epochs * (options.epochs - 1))
                              begun = progress.seconds;
                            ended = progress.seconds;
                          }}));
  return static_cast<double>(texts.size() * texts.front().tokens.size()) / (ended - begun);
}

int run(bool json, std::size_t count) {
  bench::Figures figures;
  const std::vector<TrainingText> texts = made_up_texts(count);
  const LoraOptions all{.targets = {"attn_q", "attn_v"}};
  figures.add("train every layer", tokens_per_second(texts, all), "tokens/s");
  LoraOptions upper = all;
  upper.layers = 15;
  figures.add("train the upper half", tokens_per_second(texts, upper), "tokens/s");
  upper.epochs = 2;
  figures.add("train the upper half, lower one kept", tokens_per_second(texts, upper), "tokens/s");
  figures.print(json);
  return 0;
}

}  // namespace
}  // namespace rapport::tuning

int main(int argc, char** argv) {
  bool json = false;
  std::size_t texts = 14;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--json") {
      json = true;
    } else {
      texts = std::max<std::size_t>(1, std::strtoull(argv[i], nullptr, 10));
    }
  }
  return rapport::tuning::run(json, texts);
}
