// all-MiniLM-L6-v2 as imported against reference vectors that an independent implementation gave:
// scripts/reference/minilm_reference.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "rapport/base/files.h"
#include "rapport/base/json.h"
#include "rapport/language/llama_embedder.h"
#include "testing/model_files.h"

namespace rapport::language {
namespace {

class MiniLmReference : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto loaded = LlamaEmbedder::load({.path = testing::model_file("all-minilm-l6-v2-f32.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    embedder = *std::move(loaded);
  }
  static void TearDownTestSuite() { embedder.reset(); }

  void SetUp() override { ASSERT_NE(embedder, nullptr); }

  static inline std::unique_ptr<LlamaEmbedder> embedder;
};

Json read_reference() {
  const auto text = base::read_file(RAPPORT_TEST_DATA "/minilm_reference.json");
  EXPECT_TRUE(text);
  const auto json = base::parse_json(text.value_or(""), "minilm_reference.json");
  EXPECT_TRUE(json) << json.error().message;
  return json.value_or(Json());
}

TEST_F(MiniLmReference, VectorsAndTokensAreThoseOfTheReference) {
  EXPECT_EQ(embedder->dimensions(), 384);
  EXPECT_EQ(embedder->max_tokens(), 256);
  EXPECT_EQ(embedder->id(), "all-minilm-l6-v2-f32");

  const Json reference = read_reference();
  ASSERT_GE(reference.size(), 12u);
  std::vector<std::string> texts;
  std::int64_t tokens = 0;
  for (const Json& row : reference) {
    texts.push_back(row["text"].get<std::string>());
    tokens += static_cast<std::int64_t>(row["tokens"].size());
    EXPECT_EQ(embedder->tokenize(texts.back()).value(),
              row["tokens"].get<std::vector<std::int32_t>>())
        << texts.back();
  }
  const auto matrix = embedder->embed(texts);
  ASSERT_TRUE(matrix) << matrix.error().message;
  EXPECT_EQ(matrix->tokens, tokens);
  double worst = 1;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto expected = reference[i]["vector"].get<std::vector<float>>();
    const auto row = matrix->values.begin() + static_cast<std::ptrdiff_t>(i) * 384;
    const double cosine = std::inner_product(expected.begin(), expected.end(), row, 0.0);
    EXPECT_GE(cosine, 0.999) << texts[i];
    worst = std::min(worst, cosine);
  }
  RecordProperty("worst_cosine", std::to_string(worst));
}

TEST_F(MiniLmReference, LikeSentencesAreNearerThanUnlikeOnes) {
  const auto matrix = embedder->embed({"What should I cook tonight?", "Any ideas for dinner?",
                                       "The central bank raised interest rates."});
  ASSERT_TRUE(matrix) << matrix.error().message;
  const auto row = [&](std::ptrdiff_t i) { return matrix->values.begin() + i * 384; };
  const double like = std::inner_product(row(0), row(1), row(1), 0.0);
  const double unlike = std::inner_product(row(0), row(1), row(2), 0.0);
  EXPECT_GT(like, unlike + 0.3);
}

TEST_F(MiniLmReference, ALanguageModelIsNoSentenceEncoder) {
  const auto refused = LlamaEmbedder::load({.path = testing::smollm2_path()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("no sentence encoder"));
}

}  // namespace
}  // namespace rapport::language
