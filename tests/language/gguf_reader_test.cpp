#include "rapport/language/gguf_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "rapport/language/gguf_writer.h"
#include "testing/temporary_directory.h"

namespace rapport::language {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GgufReaderOf : public ::testing::Test {
 protected:
  GgufReaderOf() {
    for (int i = 0; i < 64; ++i) values_.push_back(0.25f * static_cast<float>(i % 9 - 4));
    GgufWriter gguf("llama");
    gguf.set_string("general.name", "mine");
    gguf.set_uint32("llama.block_count", 7);
    gguf.set_float("llama.rope.freq_base", 0.5f);
    for (const WeightType type : {WeightType::kF32, WeightType::kF16, WeightType::kQ8_0})
      EXPECT_TRUE(
          gguf.add_tensor(std::string(name(type)), {2, 32}, type, [this] { return values_; }));
    EXPECT_TRUE(gguf.add_tensor("row", {1, 64}, WeightType::kF32, [this] { return values_; }));
    EXPECT_TRUE(gguf.write(path_));
  }

  std::vector<float> values_;
  const rapport::testing::TemporaryDirectory folder_;
  const std::filesystem::path path_ = folder_.path() / "model.gguf";
};

TEST_F(GgufReaderOf, AFileGivesMetadataByTypeAndTensorsAsFloats) {
  const auto gguf = GgufReader::open(path_);
  ASSERT_TRUE(gguf) << gguf.error().message;
  EXPECT_EQ(gguf->architecture(), "llama");
  EXPECT_EQ(gguf->text("general.name"), "mine");
  EXPECT_EQ(gguf->integer("llama.block_count"), 7);
  EXPECT_EQ(gguf->number("llama.rope.freq_base"), 0.5);
  EXPECT_FALSE(gguf->integer("general.name"));
  EXPECT_FALSE(gguf->text("llama.block_count"));
  EXPECT_FALSE(gguf->number("absent"));
  EXPECT_TRUE(gguf->has("q8_0"));
  EXPECT_FALSE(gguf->has("q8_1"));
  EXPECT_THAT(gguf->tensors()[3].shape, ElementsAre(64));
  EXPECT_EQ(gguf->read_floats("f32", {2, 32}), values_);
  EXPECT_EQ(gguf->read_floats("f16", {2, 32}), values_);  // quarters are exact there
  EXPECT_EQ(gguf->read_floats("row", {1, 64}), values_);
  const auto rounded = gguf->read_floats("q8_0", {2, 32});
  ASSERT_TRUE(rounded);
  for (std::size_t i = 0; i < values_.size(); ++i) EXPECT_NEAR((*rounded)[i], values_[i], 0.005);
}

TEST_F(GgufReaderOf, ATensorThatIsNotAsExpectedIsCorrupt) {
  const auto gguf = GgufReader::open(path_).value();
  EXPECT_THAT(gguf.read_floats("f32", {32, 2}).error().message,
              AllOf(HasSubstr("f32 is [2 × 32]"), HasSubstr("[32 × 2]")));
  EXPECT_THAT(gguf.read_floats("f64", {2, 32}).error().message, HasSubstr("has no tensor f64"));
}

TEST_F(GgufReaderOf, AFileThatBecameShorterIsAnErrorAndNotRead) {
  const auto gguf = GgufReader::open(path_).value();
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 64);
  EXPECT_EQ(gguf.read_floats("row", {64}).error().code, ErrorCode::kIo);
  EXPECT_EQ(GgufReader::open(path_).error().code, ErrorCode::kCorrupt);
  std::filesystem::remove(path_);
  EXPECT_EQ(gguf.read_floats("f32", {2, 32}).error().code, ErrorCode::kIo);
  EXPECT_EQ(GgufReader::open(path_).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace rapport::language
