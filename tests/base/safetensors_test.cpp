#include "rapport/base/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "testing/safetensors_file.h"
#include "testing/temporary_directory.h"

namespace rapport::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SafetensorsTest : public ::testing::Test {
 protected:
  rapport::testing::TemporaryDirectory folder_;
  std::filesystem::path path_ = folder_.path() / "model.safetensors";
};

std::string bytes_of(const std::vector<std::uint16_t>& values) {
  return {reinterpret_cast<const char*>(values.data()), 2 * values.size()};
}

TEST_F(SafetensorsTest, GivesNamesShapesAndValues) {
  ASSERT_TRUE(SafetensorsWriter()
                  .add("b", {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6})
                  .add("a", {1}, std::vector<float>{-0.5f})
                  .add("scalar", {}, std::vector<float>{7})
                  .add("empty", {0, 4}, std::vector<float>{})
                  .write(path_));
  const auto file = Safetensors::open(path_);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->tensors().size(), 4u);
  EXPECT_TRUE(file->contains("b"));
  EXPECT_FALSE(file->contains("__metadata__"));
  EXPECT_EQ(file->tensors().at("b").elements, 6);
  EXPECT_THAT(file->read_floats("b", {2, 3}).value(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(file->read_floats("a", {1}).value(), ElementsAre(-0.5f));
  EXPECT_THAT(file->read_floats("scalar", {}).value(), ElementsAre(7));
  EXPECT_THAT(file->read_floats("empty", {0, 4}).value(), ElementsAre());
}

TEST_F(SafetensorsTest, WidensHalfAndBrainFloatsExactly) {
  ASSERT_TRUE(
      SafetensorsWriter()
          .add_bytes("half", "F16", {8},
                     bytes_of({0x3c00, 0xc000, 0x7bff, 0x0001, 0x83ff, 0x8000, 0x7c00, 0x3555}))
          .add_bytes("brain", "BF16", {3}, bytes_of({0x3f80, 0xc2f7, 0x0001}))
          .write(path_));
  const auto file = Safetensors::open(path_);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(file->read_floats("half", {8}).value(),
              ElementsAre(1.0f, -2.0f, 65504.0f, 0x1p-24f, -1023 * 0x1p-24f, -0.0f,
                          std::numeric_limits<float>::infinity(), 0x1.554p-2f));
  EXPECT_TRUE(std::signbit(file->read_floats("half", {8}).value()[5]));
  EXPECT_THAT(file->read_floats("brain", {3}).value(), ElementsAre(1.0f, -123.5f, 0x1p-133f));
}

TEST_F(SafetensorsTest, GivesBackWholeNumbersAndTakesNothingElseForThem) {
  ASSERT_TRUE(SafetensorsWriter()
                  .add("columns", {3}, std::vector<std::int32_t>{-1, 0, 2'147'483'647})
                  .add("weights", {1}, std::vector<float>{1})
                  .write(path_));
  const auto file = Safetensors::open(path_);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(file->read_integers("columns", {3}).value(), ElementsAre(-1, 0, 2'147'483'647));
  EXPECT_EQ(file->read_integers("columns", {2}).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->read_integers("weights", {1}).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(file->read_integers("rows", {1}).error().code, ErrorCode::kCorrupt);
}

TEST_F(SafetensorsTest, HoldsFilesWithinAFile) {
  SafetensorsWriter first, second;
  first.add("weights", {2}, std::vector<float>{1, 2}).add("bias", {1}, std::vector<float>{3});
  second.add("weights", {1}, std::vector<float>{4});
  ASSERT_TRUE(SafetensorsWriter()
                  .add("own", {1}, std::vector<float>{5})
                  .add_all("a.", first)
                  .add_all("a.b.", second)
                  .write(path_));
  const auto file = Safetensors::open(path_);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->tensors().size(), 4u);
  auto part = [&] {
    const auto whole = Safetensors::open(path_);
    return whole->part("a.");
  }();
  ASSERT_TRUE(part) << "independent of the file it is in";
  EXPECT_EQ(part->tensors().size(), 3u);
  EXPECT_THAT(part->read_floats("weights", {2}).value(), ElementsAre(1, 2));
  EXPECT_THAT(part->read_floats("bias", {1}).value(), ElementsAre(3));
  EXPECT_THAT(part->part("b.")->read_floats("weights", {1}).value(), ElementsAre(4));
  EXPECT_THAT(part->read_floats("own", {1}).error().message, HasSubstr("model.safetensors: a."));
  EXPECT_TRUE(file->part("c.")->tensors().empty());
}

TEST_F(SafetensorsTest, RefusesToReadWhatIsNotAsAskedFor) {
  ASSERT_TRUE(SafetensorsWriter()
                  .add("weights", {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6})
                  .add_bytes("ids", "I64", {1}, std::string(8, '\0'))
                  .write(path_));
  const auto file = Safetensors::open(path_);
  ASSERT_TRUE(file) << file.error().message;

  const auto other_shape = file->read_floats("weights", {3, 2});
  ASSERT_FALSE(other_shape);
  EXPECT_EQ(other_shape.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(other_shape.error().message,
              ::testing::AllOf(HasSubstr("model.safetensors"), HasSubstr("\"weights\""),
                               HasSubstr("[2, 3], expected [3, 2]")));
  const auto missing = file->read_floats("bias", {3});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("no tensor \"bias\""));
  const auto whole_numbers = file->read_floats("ids", {1});
  ASSERT_FALSE(whole_numbers);
  EXPECT_EQ(whole_numbers.error().code, ErrorCode::kUnsupported);
}

TEST_F(SafetensorsTest, RefusesAHeaderThatTheFileContradicts) {
  struct Case {
    const char* behaviour;
    std::string header;
    std::size_t data_bytes;
    const char* said;
  };
  const Case cases[] = {
      {"not JSON", "{", 0, "safetensors header"},
      {"no object", "[1]", 0, "not an object"},
      {"nested without end", std::string(5'000, '['), 0, "safetensors header"},
      {"a tensor that is no object", R"({"t":3})", 0, "expected dtype"},
      {"no offsets", R"({"t":{"dtype":"F32","shape":[1]}})", 4, "expected dtype"},
      {"a negative dimension", R"({"t":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4,
       "expected dtype"},
      {"a fractional offset", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4.0]}})", 4,
       "expected dtype"},
      {"an unknown type", R"({"t":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", 4,
       "unknown dtype \"Q4\""},
      {"bytes past the end", R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4,
       "outside the 4 bytes"},
      {"an end before its begin", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4,
       "outside"},
      {"too few bytes for the shape", R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})",
       4, "do not hold 2 elements"},
      {"half an element", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,6]}})", 6,
       "do not hold 1 elements"},
      {"a shape whose product overflows",
       R"({"t":{"dtype":"F32","shape":[4294967296,4294967296,16],"data_offsets":[0,4]}})", 4,
       "larger than the file"},
      {"a zero that hides an overflow",
       R"({"t":{"dtype":"F32","shape":[0,99999999999999],"data_offsets":[0,4]}})", 4,
       "larger than the file"},
      {"tensors that overlap",
       R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
       12, "\"b\" overlaps"},
      {"a gap between tensors",
       R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
       12, "gap"},
      {"bytes that belong to none", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8,
       "4 bytes after the last tensor"},
  };
  for (const Case& c : cases) {
    rapport::testing::write_safetensors(path_, c.header, std::string(c.data_bytes, 'x'));
    const auto file = Safetensors::open(path_);
    ASSERT_FALSE(file) << c.behaviour;
    EXPECT_EQ(file.error().code, ErrorCode::kCorrupt) << c.behaviour;
    EXPECT_THAT(file.error().message,
                ::testing::AllOf(HasSubstr(path_.string()), HasSubstr(c.said)))
        << c.behaviour;
  }
}

TEST_F(SafetensorsTest, RefusesAFileCutAnywhere) {
  ASSERT_TRUE(SafetensorsWriter().add("a", {3}, std::vector<float>{1, 2, 3}).write(path_));
  const auto whole = std::filesystem::file_size(path_);
  for (std::uintmax_t size = 0; size < whole; ++size) {
    ASSERT_TRUE(SafetensorsWriter().add("a", {3}, std::vector<float>{1, 2, 3}).write(path_));
    std::filesystem::resize_file(path_, size);
    const auto file = Safetensors::open(path_);
    ASSERT_FALSE(file) << size;
    EXPECT_EQ(file.error().code, ErrorCode::kCorrupt) << size;
  }
}

TEST_F(SafetensorsTest, NamesAMissingFile) {
  const auto file = Safetensors::open(path_);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(file.error().message, HasSubstr(path_.string()));
}

}  // namespace
}  // namespace rapport::base
