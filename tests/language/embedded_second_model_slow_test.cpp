// Another architecture (Gemma 3 270M: sliding windows, another tokenizer, no chat template of its
// own), so that nothing here is true of SmolLM2 alone. scripts/setup --slow fetches the file.
#include <gtest/gtest.h>

#include <filesystem>

#include "rapport/base/files.h"
#include "rapport/language/embedded_model.h"
#include "rapport/language/model_files.h"
#include "shared_model.h"
#include "testing/temporary_directory.h"

namespace rapport::language {
namespace {

constexpr const char* kGemmaTemplate =
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else "
    "'user' }}\n{{ m.content }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt "
    "%}<start_of_turn>model\n{% endif %}";

class SecondModel : public ::testing::Test {
 protected:
  void SetUp() override {
    options.path = testing::model_file("slow/gemma-3-270m-q4_k_m.gguf");
    if (!std::filesystem::exists(options.path)) GTEST_SKIP() << options.path << " is not there";
    options.chat_template = folder.file("gemma.jinja");
    ASSERT_TRUE(base::write_file_atomically(options.chat_template, kGemmaTemplate));
    options.context_tokens = 1024;
    options.parallel = 4;
    auto loaded = EmbeddedModel::load(options);
    ASSERT_TRUE(loaded) << loaded.error().message;
    model = *std::move(loaded);
  }

  rapport::testing::TemporaryDirectory folder;
  EmbeddedOptions options;
  std::unique_ptr<EmbeddedModel> model;
};

TEST_F(SecondModel, NeedsATemplateAndSaysSo) {
  options.chat_template.clear();
  const auto refused = EmbeddedModel::load(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("language.embedded.chat_template"), std::string::npos);
}

TEST_F(SecondModel, AnswersStreamsAndCounts) {
  const Streamed streamed = stream(*model, greedy("The capital of France is", 16));
  ASSERT_TRUE(streamed.done) << streamed.done.error().message;
  EXPECT_EQ(streamed.text(), streamed.done->text);
  EXPECT_FALSE(streamed.done->text.empty());
  EXPECT_EQ(model->count_tokens({ChatMessage::text("user", "The capital of France is")}).value(),
            streamed.done->usage.prompt_tokens);
  EXPECT_EQ(model->models()[0].id, "gemma-3-270m-q4_k_m");
}

// Sliding windows forget what lies behind them; the cache must not.
TEST_F(SecondModel, ReusesALongConversation) {
  std::string text = "Remember these numbers:";
  for (int i = 0; i < 150; ++i) text += " " + std::to_string(i * 7);
  std::vector<ChatMessage> messages = {ChatMessage::text("user", text)};
  GenerateRequest request;
  request.messages = messages;
  request.max_tokens = 8;
  const auto first = generate_and_wait(*model, request);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_GT(first->usage.prompt_tokens, 550) << "beyond Gemma's window of 512";
  request.messages.push_back(ChatMessage::text("assistant", first->text));
  request.messages.push_back(ChatMessage::text("user", "Which was the last?"));
  const auto second = generate_and_wait(*model, request);
  EXPECT_GE(second->usage.cached_tokens, first->usage.prompt_tokens);
}

TEST_F(SecondModel, FollowsASchemaAndScoresChoices) {
  GenerateRequest request = greedy("Name a colour as JSON.", 40);
  request.output.kind = OutputKind::kJsonSchema;
  request.output.schema = Json::parse(
      R"({"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"], "additionalProperties": false})");
  const auto done = generate_and_wait(*model, request);
  ASSERT_TRUE(done);
  EXPECT_TRUE(base::parse_json(done->text, "answer")) << done->text;
  const auto scores = model->score_choices({.messages = {},
                                            .prompt = "The capital of France is",
                                            .choices = {" Paris", " a potato"},
                                            .stop_token = {}});
  ASSERT_TRUE(scores);
  EXPECT_GT(scores->logprobs[0], scores->logprobs[1]);
}

TEST_F(SecondModel, ToolsAreRefusedWhereNoTemplateHasWordsForThem) {
  GenerateRequest request = greedy("Hi", 1);
  request.tools = Json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
  EXPECT_EQ(model->check(request).error().param, "tools");
}

}  // namespace
}  // namespace rapport::language
