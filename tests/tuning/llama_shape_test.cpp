#include "rapport/tuning/llama_shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/temporary_directory.h"
#include "testing/tiny_llama.h"

namespace rapport::tuning {
namespace {

using rapport::testing::kTinyShape;
using rapport::testing::write_tiny_llama;

using language::GgufReader;
using language::GgufWriter;
using ::testing::HasSubstr;

class LlamaShapeOf : public ::testing::Test {
 protected:
  Result<LlamaShape> shape(const std::function<void(GgufWriter&)>& change) {
    write_tiny_llama(path_, kTinyShape, change);
    return read_llama_shape(GgufReader::open(path_).value());
  }

  const rapport::testing::TemporaryDirectory folder_;
  const std::filesystem::path path_ = folder_.path() / "model.gguf";
};

TEST_F(LlamaShapeOf, AFileIsReadFromItsMetadata) {
  const auto read = shape({});
  ASSERT_TRUE(read) << read.error().message;
  LlamaShape expected = kTinyShape;
  expected.norm_epsilon = read->norm_epsilon;  // a float in the file
  EXPECT_EQ(*read, expected);
  EXPECT_NEAR(read->norm_epsilon, 1e-5, 1e-9);
}

TEST_F(LlamaShapeOf, AnotherKindOfModelIsRefusedWithTheReason) {
  struct Case {
    std::function<void(GgufWriter&)> change;
    std::string says;
  };
  for (const Case& c : {
           Case{[](GgufWriter& g) { g.set_string("general.architecture", "gemma3"); }, "gemma3"},
           Case{[](GgufWriter& g) { g.set_uint32("llama.expert_count", 8); }, "experts"},
           Case{[](GgufWriter& g) { g.set_string("llama.rope.scaling.type", "yarn"); }, "yarn"},
           Case{[](GgufWriter& g) { g.set_uint32("llama.rope.dimension_count", 4); },
                "a part of each"},
           Case{[](GgufWriter& g) {
                  EXPECT_TRUE(g.add_tensor("blk.0.attn_q.bias", {48}, language::WeightType::kF32,
                                           [] { return std::vector<float>(48); }));
                },
                "blk.0.attn_q.bias"},
       }) {
    const auto read = shape(c.change);
    ASSERT_FALSE(read) << c.says;
    EXPECT_EQ(read.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(read.error().message, HasSubstr(c.says));
  }
}

TEST_F(LlamaShapeOf, SizesThatMakeNoSenseAreCorrupt) {
  for (const char* const key :
       {"llama.embedding_length", "llama.block_count", "llama.attention.head_count",
        "llama.feed_forward_length", "llama.context_length"}) {
    const auto read = shape([&](GgufWriter& g) { g.set_uint32(key, 0); });
    ASSERT_FALSE(read) << key;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(read.error().message, HasSubstr(key));
  }
  EXPECT_THAT(shape([](GgufWriter& g) { g.set_uint32("llama.attention.head_count_kv", 4); })
                  .error()
                  .message,
              HasSubstr("6 heads"));
}

}  // namespace
}  // namespace rapport::tuning
