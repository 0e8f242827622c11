// LoRA adapters in use.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rapport/language/embedded_model.h"
#include "rapport/language/gguf_writer.h"
#include "shared_model.h"
#include "testing/temporary_directory.h"

namespace rapport::language {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kWidth = 576;  // of SmolLM2-135M's states and queries

struct Made {
  std::string architecture = "llama";
  std::string base = "";  // "" for the model's own name
  std::int64_t width = kWidth;
  float up = 0.02f;
};

class ModelAdapter : public ::testing::Test {
 protected:
  std::string write(const Made& made) {
    const std::string path = folder_.file("adapter.gguf");
    GgufWriter gguf(made.architecture);
    gguf.set_string("general.type", "adapter");
    gguf.set_string("adapter.type", "lora");
    gguf.set_float("adapter.lora.alpha", 8);
    if (!made.base.empty()) {
      gguf.set_string("general.base_model.0.name", made.base);
      gguf.set_string("rapport.about", "{}");
    }
    const auto filled = [](std::int64_t size, float value) {
      std::vector<float> values(static_cast<std::size_t>(size));
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = value * (i % 3 == 0 ? 1.0f : -0.5f);
      return values;
    };
    const std::int64_t width = made.width;
    const float up = made.up;
    EXPECT_TRUE(gguf.add_tensor("blk.4.attn_q.weight.lora_a", {4, width}, WeightType::kF32,
                                [=] { return filled(4 * width, 0.05f); }));
    EXPECT_TRUE(gguf.add_tensor("blk.4.attn_q.weight.lora_b", {width, 4}, WeightType::kF32,
                                [=] { return filled(4 * width, up); }));
    EXPECT_TRUE(gguf.write(path));
    return path;
  }

  Result<std::unique_ptr<EmbeddedModel>> load(const std::string& adapter) {
    EmbeddedOptions options = small_options();
    options.parallel = 1;
    options.adapter = adapter;
    return EmbeddedModel::load(options);
  }

  static std::vector<float> scores(EmbeddedModel& model) {
    return model
        .score_choices(
            {.messages = {},
             .prompt = "The capital of France is",
             .choices = {" Paris", " the old town of Lyon", " a small place by the river"},
             .stop_token = {}})
        .value()
        .logprobs;
  }

  const testing::TemporaryDirectory folder_;
};

TEST_F(ModelAdapter, ChangesWhatTheModelWritesInBothWaysToScore) {
  const auto model = load(write({.up = 0.2f}));
  ASSERT_TRUE(model) << model.error().message;
  const std::vector<float> plain = scores(shared_model()), adapted = scores(**model);
  EXPECT_GT(std::abs(adapted[0] - plain[0]), 1e-3) << "one token";
  EXPECT_GT(std::abs(adapted[1] - plain[1]), 1e-3) << "several tokens";
  EXPECT_GT(std::abs(adapted[2] - plain[2]), 1e-3) << "several others";
  EXPECT_EQ(scores(**model), adapted);
  EXPECT_NE((*model)->fingerprint(), shared_model().fingerprint());
}

TEST_F(ModelAdapter, ThatAddsNothingChangesNothing) {
  const auto model = load(write({.up = 0}));
  ASSERT_TRUE(model) << model.error().message;
  const std::vector<float> plain = scores(shared_model()), adapted = scores(**model);
  EXPECT_NEAR(adapted[0], plain[0], 1e-4);
  EXPECT_NEAR(adapted[1], plain[1], 1e-4);
}

TEST_F(ModelAdapter, RefusesWhatDoesNotFit) {
  const std::string text = folder_.file("text.gguf");
  std::ofstream(text) << "no model";
  const struct {
    std::string path;
    ErrorCode code;
    const char* says;
  } cases[] = {
      {folder_.file("missing.gguf"), ErrorCode::kNotFound, "missing.gguf"},
      {text, ErrorCode::kInvalidArgument, "text.gguf"},
      {testing::smollm2_path(), ErrorCode::kInvalidArgument, "is no LoRA adapter"},
  };
  for (const auto& c : cases) {
    const auto model = load(c.path);
    ASSERT_FALSE(model) << c.says;
    EXPECT_EQ(model.error().code, c.code) << model.error().message;
    EXPECT_THAT(model.error().message, HasSubstr(c.says));
  }
  for (const auto& [made, says] :
       {std::pair{Made{.architecture = "qwen2"}, "it changes qwen2 models, this one is llama"},
        std::pair{Made{.base = "Another 135M"}, "it was trained on \"Another 135M\""},
        std::pair{Made{.width = 64}, "adapter of another model"}}) {
    const auto model = load(write(made));
    ASSERT_FALSE(model) << says;
    EXPECT_EQ(model.error().code, ErrorCode::kConflict) << model.error().message;
    EXPECT_THAT(model.error().message, HasSubstr(says));
  }
}

}  // namespace
}  // namespace rapport::language
