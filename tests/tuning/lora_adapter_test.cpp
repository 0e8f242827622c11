#include "rapport/tuning/lora_adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/language/gguf_writer.h"
#include "testing/temporary_directory.h"
#include "testing/tiny_llama.h"

namespace rapport::tuning {
namespace {

using rapport::testing::write_tiny_llama;

using ::testing::HasSubstr;

LoraAdapter adapter(std::int64_t rank) {
  LoraAdapter made{
      .rank = rank, .alpha = 16, .base = "tiny", .matrices = {}, .about = {{"seed", 3}}};
  for (const char* const name : {"blk.0.attn_q.weight", "blk.2.attn_v.weight"}) {
    LoraMatrix matrix{.tensor = name, .in = 5, .out = 3};
    for (std::int64_t i = 0; i < rank * 5; ++i) matrix.down.push_back(static_cast<float>(i));
    for (std::int64_t i = 0; i < rank * 3; ++i) matrix.up.push_back(-static_cast<float>(i));
    made.matrices.push_back(matrix);
  }
  return made;
}

TEST(LoraAdapterFile, GivesBackWhatWasWritten) {
  const rapport::testing::TemporaryDirectory folder;
  for (const std::int64_t rank : {1, 4}) {
    const auto path = folder.path() / "adapter.gguf";
    ASSERT_TRUE(write_adapter(adapter(rank), path));
    const auto read = read_adapter(path);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, adapter(rank));
  }
}

TEST(LoraAdapterFile, IsRefusedWhenItIsNone) {
  const rapport::testing::TemporaryDirectory folder;
  const auto path = folder.path() / "model.gguf";
  EXPECT_EQ(read_adapter(path).error().code, ErrorCode::kNotFound);
  write_tiny_llama(path);
  EXPECT_THAT(read_adapter(path).error().message, HasSubstr("no LoRA adapter"));
  const auto write = [&](std::vector<std::int64_t> down, std::vector<std::int64_t> up,
                         float alpha) {
    language::GgufWriter gguf("llama");
    gguf.set_string("general.type", "adapter");
    gguf.set_string("adapter.type", "lora");
    gguf.set_float("adapter.lora.alpha", alpha);
    const auto zeros = [&](std::vector<std::int64_t> shape) {
      return std::vector<float>(static_cast<std::size_t>(shape[0] * shape[1]));
    };
    EXPECT_TRUE(gguf.add_tensor("blk.0.attn_q.weight.lora_a", down, language::WeightType::kF32,
                                [=] { return zeros(down); }));
    if (!up.empty()) {
      EXPECT_TRUE(gguf.add_tensor("blk.0.attn_q.weight.lora_b", up, language::WeightType::kF32,
                                  [=] { return zeros(up); }));
    }
    EXPECT_TRUE(gguf.write(path));
  };
  write({4, 5}, {3, 4}, 0);
  EXPECT_THAT(read_adapter(path).error().message, HasSubstr("alpha"));
  write({4, 5}, {3, 2}, 8);
  EXPECT_THAT(read_adapter(path).error().message, HasSubstr("do not fit each other"));
  write({4, 5}, {}, 8);
  EXPECT_THAT(read_adapter(path).error().message, HasSubstr("do not fit each other"));
  write({4, 5}, {3, 4}, 8);
  EXPECT_TRUE(read_adapter(path));
}

}  // namespace
}  // namespace rapport::tuning
