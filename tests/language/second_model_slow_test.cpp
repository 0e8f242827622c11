// Any architecture that llama.cpp runs will do as the embedded model: here Gemma 3 270M, beside the
// SmolLM2 of all other tests. `scripts/setup --slow` brings it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "rapport/base/text.h"
#include "rapport/language/embedded_model.h"
#include "rapport/language/model_files.h"

namespace rapport::language {
namespace {

TEST(SecondModel, AnotherArchitectureConversesStreamsAndCounts) {
  const char* models = std::getenv("RAPPORT_TEST_MODELS");
  ASSERT_NE(models, nullptr) << "run the tests through ctest";
  const std::filesystem::path path =
      std::filesystem::path(models) / "slow" / "gemma-3-270m-q4_k_m.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is missing: scripts/setup --slow";

  const auto file = read_model_file(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->architecture, "gemma3");

  EmbeddedOptions options;
  options.path = path.string();
  options.context_tokens = 1024;
  options.parallel = 2;
  const auto model = EmbeddedModel::load(options);
  ASSERT_TRUE(model) << model.error().message;

  GenerateRequest request;
  request.messages = {ChatMessage::text("user", "Name one fruit.")};
  request.sampling.temperature = 0;
  request.max_tokens = 16;
  std::string streamed;
  const auto answer = generate_and_wait(**model, request, [&](const Delta& delta) {
    EXPECT_TRUE(base::is_utf8(delta.text));
    streamed += delta.text;
  });
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->text, streamed);
  EXPECT_EQ((*model)->count_tokens(request.messages).value_or(-1), answer->usage.prompt_tokens);
  EXPECT_NE(answer->prompt.find("<start_of_turn>user"), std::string::npos) << answer->prompt;

  const auto again = generate_and_wait(**model, request);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->text, answer->text);
}

}  // namespace
}  // namespace rapport::language
