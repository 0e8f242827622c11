// The network that is trained against llama.cpp on a real model's weights.
#include <gtest/gtest.h>

#include "llama_reference.h"
#include "rapport/language/quantize.h"
#include "rapport/tuning/lora_training.h"
#include "testing/model_files.h"
#include "testing/temporary_directory.h"
#include "testing/tiny_llama.h"

namespace rapport::tuning {
namespace {

using rapport::testing::relative_difference;

#ifdef RAPPORT_HAS_TUNING

TEST(SmolLm2, HasLlamaCppsLogitsWithAndWithoutAnAdapter) {
  const testing::TemporaryDirectory folder;
  const auto model = folder.path() / "f32.gguf";
  ASSERT_TRUE(language::quantize(testing::smollm2_path(), model.string(), {.type = "f32"}));
  TrainingText text{.tokens = {}, .answer = 1};
  for (std::int32_t i = 0; i < 60; ++i) text.tokens.push_back((i * 7919 + 17) % 40'000);
  const auto compared = [&](const LoraAdapter* adapter, const std::filesystem::path& path) {
    const auto ours = answer_logits(model, text, adapter).value();
    auto theirs = llama_logits(model, text.tokens, 0, path);
    theirs.resize(ours.size());
    return relative_difference(ours, theirs);
  };
  EXPECT_LT(compared(nullptr, {}), 1e-3);  // the bar is 1e-2

  const base::SystemClock clock;
  const TrainingText learnt[] = {text};
  const auto tuned = train_lora(model, learnt, {.layers = 4, .learning_rate = 1e-2, .epochs = 4},
                                {.clock = clock});
  ASSERT_TRUE(tuned) << tuned.error().message;
  const auto path = folder.path() / "adapter.gguf";
  ASSERT_TRUE(write_adapter(tuned->adapter, path));
  EXPECT_LT(compared(&tuned->adapter, path), 1e-3);
}

#endif

}  // namespace
}  // namespace rapport::tuning
