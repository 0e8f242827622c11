#include "rapport/language/quantize.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "rapport/base/files.h"
#include "rapport/language/gguf_reader.h"
#include "rapport/language/gguf_writer.h"
#include "rapport/language/model_files.h"
#include "testing/temporary_directory.h"

namespace rapport::language {
namespace {

/// A llama of three layers, 64 wide, in f32: 340 KB, so that quantising it takes no time.
void write_tiny_llama(const std::filesystem::path& path) {
  GgufWriter gguf("llama");
  gguf.set_string("general.name", "Tiny");
  gguf.set_uint32("llama.block_count", 3);
  gguf.set_uint32("llama.context_length", 64);
  gguf.set_uint32("llama.embedding_length", 64);
  gguf.set_uint32("llama.feed_forward_length", 64);
  gguf.set_uint32("llama.attention.head_count", 2);
  gguf.set_uint32("llama.vocab_size", 32);
  gguf.set_float("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  const auto matrix = [&](const std::string& name, std::int64_t rows) {
    ASSERT_TRUE(
        gguf.add_tensor(name, {rows, 64}, WeightType::kF32, [=]() -> Result<std::vector<float>> {
          std::vector<float> values(static_cast<std::size_t>(rows) * 64);
          for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<float>((i + name.size() + name[4]) % 17) / 17.0f - 0.5f;
          return values;
        }));
  };
  matrix("token_embd.weight", 32);
  for (int layer = 0; layer < 3; ++layer)
    for (const char* part :
         {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
      matrix(fmt::format("blk.{}.{}.weight", layer, part), 64);
  ASSERT_TRUE(gguf.write(path));
}

class QuantizeTest : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny_llama(input); }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

  rapport::testing::TemporaryDirectory folder;
  std::string input = folder.file("in.gguf");
  std::string output = folder.file("out.gguf");
};

TEST_F(QuantizeTest, WritesTheSameModelInAnotherType) {
  std::vector<std::int64_t> done;
  std::int64_t tensors = 0;
  const auto quantized =
      quantize(input, output, {.type = "Q8_0"}, [&](std::int64_t now, std::int64_t total) {
        done.push_back(now);
        tensors = total;
      });
  ASSERT_TRUE(quantized) << quantized.error().message;
  const auto before = read_model_file(input);
  const auto after = read_model_file(output);
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->quantization, "Q8_0");
  EXPECT_EQ(after->parameters, before->parameters);
  EXPECT_LT(after->bytes, before->bytes / 2);
  EXPECT_EQ(tensors, 22);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), 22);
  EXPECT_EQ(files(), (std::vector<std::string>{"in.gguf", "out.gguf"}))
      << "no temporary file stays";
}

TEST_F(QuantizeTest, TakesWhatIsQuantisedAlreadyAndReplacesWhatIsThere) {
  ASSERT_TRUE(quantize(input, output, {.type = "q4_0"}));
  ASSERT_TRUE(quantize(output, output, {.type = "q8_0"}));
  EXPECT_EQ(read_model_file(output)->quantization, "Q8_0");
}

TEST_F(QuantizeTest, KeepsTheFirstLayersAloneUnderANameOfTheirOwn) {
  const auto cut = quantize(input, output, {.type = "copy", .layers = 2});
  ASSERT_TRUE(cut) << cut.error().message;
  const GgufReader before = GgufReader::open(input).value(),
                   after = GgufReader::open(output).value();
  EXPECT_EQ(after.integer("llama.block_count"), 2);
  EXPECT_EQ(after.text("general.name"), "Tiny, first 2 of 3 layers");
  EXPECT_EQ(after.tensors().size(), 15u);
  EXPECT_FALSE(after.has("blk.2.attn_q.weight"));
  EXPECT_EQ(after.read_floats("blk.1.ffn_up.weight", {64, 64}).value(),
            before.read_floats("blk.1.ffn_up.weight", {64, 64}).value());
  for (const std::int64_t layers : {-1, 4}) {
    const auto refused = quantize(input, output, {.type = "f32", .layers = layers});
    ASSERT_FALSE(refused) << layers;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(refused.error().message.find("has 3 layers"), std::string::npos)
        << refused.error().message;
  }
}

TEST_F(QuantizeTest, KnowsEveryTypeItNames) {
  for (const std::string& type : quantization_names())
    EXPECT_TRUE(quantize(input, output, {.type = type})) << type;
}

TEST_F(QuantizeTest, SaysWhatIsWrongAndLeavesNothingBehind) {
  const auto misspelt = quantize(input, output, {.type = "q80"});
  EXPECT_EQ(misspelt.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(misspelt.error().message.find("did you mean \"q8_0\"?"), std::string::npos)
      << misspelt.error().message;
  EXPECT_EQ(quantize(folder.file("none.gguf"), output, {.type = "q8_0"}).error().code,
            ErrorCode::kNotFound);
  ASSERT_TRUE(base::write_file_atomically(folder.file("text.gguf"), "not a model"));
  EXPECT_EQ(quantize(folder.file("text.gguf"), output, {.type = "q8_0"}).error().code,
            ErrorCode::kInvalidArgument);
  const auto nowhere = quantize(input, folder.file("none/out.gguf"), {.type = "q8_0"});
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, ErrorCode::kIo) << nowhere.error().message;
  EXPECT_EQ(files(), (std::vector<std::string>{"in.gguf", "text.gguf"}));
}

}  // namespace
}  // namespace rapport::language
