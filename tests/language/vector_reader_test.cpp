#include "rapport/language/vector_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "rapport/language/gguf_reader.h"
#include "shared_model.h"
#include "testing/temporary_directory.h"

namespace rapport::language {
namespace {

constexpr std::int64_t kDimension = 576;

/// Words by the vectors that they enter the model by.
class VectorReaderTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto gguf = GgufReader::open(testing::smollm2_path());
    ASSERT_TRUE(gguf) << gguf.error().message;
    for (const auto& tensor : gguf->tensors())
      if (tensor.name == "token_embd.weight")
        embedding_ = gguf->read_floats(tensor.name, tensor.shape).value();
  }
  static void TearDownTestSuite() { embedding_ = {}; }

  void add(const std::string& text) {
    for (const std::int32_t token : shared_model().tokenize(text)) {
      const auto row = embedding_.begin() + token * kDimension;
      vectors_.insert(vectors_.end(), row, row + kDimension);
    }
    offsets_.push_back(static_cast<std::int64_t>(vectors_.size()) / kDimension);
  }
  /// What the model makes of a word as the next: its state times the word's vector, for it has no
  /// output vectors of its own.
  static double score(std::span<const float> state, const std::string& word) {
    const std::vector<std::int32_t> tokens = shared_model().tokenize(word);
    EXPECT_EQ(tokens.size(), 1U) << word;
    double sum = 0;
    for (std::size_t i = 0; i < kDimension; ++i)
      sum += static_cast<double>(state[i]) *
             static_cast<double>(embedding_[static_cast<std::size_t>(tokens[0]) * kDimension + i]);
    return sum;
  }
  std::vector<float> read(std::int64_t longest = 64) {
    auto reader = VectorReader::load({.path = testing::smollm2_path(), .longest = longest});
    EXPECT_TRUE(reader) << reader.error().message;
    EXPECT_EQ((*reader)->dimension(), kDimension);
    std::vector<float> states((offsets_.size() - 1) * kDimension);
    EXPECT_TRUE((*reader)->read(vectors_, offsets_, states));
    return states;
  }

  static inline std::vector<float> embedding_;
  std::vector<float> vectors_;
  std::vector<std::int64_t> offsets_ = {0};
};

TEST_F(VectorReaderTest, ReadsTheVectorsOfWordsAsTheWords) {
  const std::vector<std::string> texts = {"The capital of France is", "The sun rises in the"};
  const std::vector<std::string> words = {" Paris", " London", " morning", " east", " the"};
  for (const std::string& text : texts) add(text);
  const auto states = read();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto state = std::span(states).subspan(i * kDimension, kDimension);
    const auto expected = shared_model().score_choices(
        {.messages = {}, .prompt = texts[i], .choices = words, .stop_token = {}});
    ASSERT_TRUE(expected) << expected.error().message;
    for (std::size_t w = 1; w < words.size(); ++w)
      EXPECT_NEAR(score(state, words[w]) - score(state, words[0]),
                  static_cast<double>(expected->logprobs[w] - expected->logprobs[0]), 0.3)
          << texts[i] << words[w];
  }
}

TEST_F(VectorReaderTest, ManySequencesAreReadAsEachAlone) {
  // More than are computed at once, of many lengths, one of a single vector.
  std::string text = "one";
  add(text);
  for (int i = 0; i < 100; ++i) {
    text = i % 20 == 19 ? "one" : text + " and " + std::to_string(i);
    add(text);
  }
  const auto together = read(/*longest=*/200);
  const auto whole = vectors_;
  const auto all = offsets_;
  for (const std::size_t i : {0, 1, 19, 57, 100}) {
    vectors_.assign(whole.begin() + all[i] * kDimension, whole.begin() + all[i + 1] * kDimension);
    offsets_ = {0, all[i + 1] - all[i]};
    const auto alone = read(/*longest=*/200);
    double difference = 0, size = 0;
    for (std::size_t j = 0; j < kDimension; ++j) {
      const double a = static_cast<double>(alone[j]);
      const double b = static_cast<double>(together[i * kDimension + j]);
      difference += (a - b) * (a - b);
      size += a * a;
    }
    EXPECT_LT(difference, 1e-3 * size) << i;  // 8 bits: some percent by what is computed beside
  }
}

TEST_F(VectorReaderTest, SaysWhatCannotBeLoaded) {
  EXPECT_EQ(VectorReader::load({.path = "missing.gguf"}).error().code, ErrorCode::kNotFound);
  const testing::TemporaryDirectory folder;
  EXPECT_FALSE(
      VectorReader::load({.path = testing::smollm2_path(), .adapter = folder.file("none")}));
  EXPECT_EQ(VectorReader::load({.path = testing::smollm2_path(), .longest = 1 << 20}).error().param,
            "max_length");
  const auto reader = VectorReader::load({.path = testing::smollm2_path()});
  ASSERT_TRUE(reader) << reader.error().message;
  std::vector<float> state(kDimension);
  const std::int64_t none[] = {0, 0};
  EXPECT_EQ((*reader)->read({}, none, state).error().code, ErrorCode::kInvalidArgument);
  const auto encoder =
      VectorReader::load({.path = testing::model_file("all-minilm-l6-v2-f32.gguf")});
  ASSERT_FALSE(encoder);
  EXPECT_EQ(encoder.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace rapport::language
