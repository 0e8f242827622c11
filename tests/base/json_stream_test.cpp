#include "rapport/base/json_stream.h"

#include <gmock/gmock.h>

#include <sstream>

namespace rapport::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Read {
  Result<void> result;
  std::vector<std::string> elements;
};

Read read(const std::string& text, const JsonElementLimits& limits = {}) {
  std::istringstream stream(text);
  Read done;
  done.result = read_json_array(stream, "file", limits, [&](Json element, std::int64_t index) {
    EXPECT_EQ(index, static_cast<std::int64_t>(done.elements.size()));
    done.elements.push_back(dump_json(element));
    return Result<void>();
  });
  return done;
}

TEST(JsonStream, EveryElementComesAsItIsParsedWhole) {
  const std::string elements[] = {"1",
                                  "-2",
                                  "2.5",
                                  "true",
                                  "null",
                                  R"("a\nb")",
                                  "[]",
                                  "{}",
                                  R"([1,[2,{"x":[3]}],"y"])",
                                  R"({"b":{"c":[1,2]},"a":null,"d":[{}]})"};
  std::string text = "[";
  for (const auto& element : elements) text += (text.size() > 1 ? ", " : "") + element;
  const Read done = read(text + "]\n");
  ASSERT_TRUE(done.result) << done.result.error().message;
  ASSERT_EQ(done.elements.size(), std::size(elements));
  for (std::size_t i = 0; i < std::size(elements); ++i) {
    EXPECT_EQ(done.elements[i], dump_json(Json::parse(elements[i])));
  }
  EXPECT_TRUE(read("[]").result);
}

TEST(JsonStream, WhatIsNoArrayOrCutOffIsRefusedWithItsPlace) {
  for (const char* text :
       {"", "{}", "7", "\"a\"", "[1", "[1,", "[{\"a\":", "[1] 2", "[1,,2]", "nul"}) {
    const Read done = read(text);
    ASSERT_FALSE(done.result) << text;
    EXPECT_EQ(done.result.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_THAT(done.result.error().message, HasSubstr("file")) << text;
  }
  EXPECT_THAT(read("[1, 2, oops]").elements, ElementsAre("1", "2"));
}

TEST(JsonStream, AnElementBeyondTheLimitsEndsTheReading) {
  const std::string small = "\"" + std::string(1'000, 'x') + "\"";
  const std::string large = "\"" + std::string(1'000'000, 'x') + "\"";
  const Read done = read("[" + small + "," + large + "]", {.max_bytes = 200'000});
  EXPECT_EQ(done.result.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(done.elements.size(), 1u);
  // Many small ones are no large one.
  std::string many = "[" + small;
  for (int i = 0; i < 1'000; ++i) many += "," + small;
  EXPECT_TRUE(read(many + "]", {.max_bytes = 200'000}).result);

  const std::string deep = "[" + std::string(70, '[') + std::string(70, ']') + "]";
  EXPECT_EQ(read(deep).result.error().code, ErrorCode::kInvalidArgument);
}

TEST(JsonStream, TheFirstErrorOfWhoTakesThemEndsTheReading) {
  std::istringstream stream("[1,2,3]");
  int taken = 0;
  const auto done = read_json_array(stream, "file", {}, [&](const Json&, std::int64_t) {
    return ++taken < 2 ? Result<void>() : fail(ErrorCode::kConflict, "enough");
  });
  EXPECT_EQ(done.error().code, ErrorCode::kConflict);
  EXPECT_EQ(taken, 2);
}

TEST(JsonStream, AStreamThatFailsIsToldAsDamaged) {
  struct Broken final : std::streambuf {
    int_type underflow() override { throw std::ios_base::failure("disk"); }
  } buffer;
  std::istream stream(&buffer);
  const auto done =
      read_json_array(stream, "file", {}, [](const Json&, std::int64_t) { return Result<void>(); });
  EXPECT_THAT(done.error().message, HasSubstr("damaged"));
}

}  // namespace
}  // namespace rapport::base
