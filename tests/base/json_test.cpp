#include "rapport/base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <rapidcheck/gtest.h>
#include <sys/mman.h>

#include "base/utf8_samples.h"
#include "rapport/base/text.h"

namespace rapport::base {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

std::string object_of(std::size_t members) {
  std::string text = "{";
  for (std::size_t i = 0; i < members; ++i)
    text += (i ? ",\"" : "\"") + std::to_string(i) + "\":[1,2]";
  return text + "}";
}

TEST(ParseJson, KeepsTheOrderOfMembers) {
  const auto value =
      parse_json(R"( {"z": 1, "a": [true, null, "é"], "m": {"x": -2.5e3}} )", "body");
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(dump_json(*value), R"({"z":1,"a":[true,null,"é"],"m":{"x":-2500.0}})");
}

TEST(ParseJson, AKeyThatComesTwiceKeepsItsFirstPlaceAndItsLastValue) {
  EXPECT_EQ(dump_json(parse_json(R"({"a":1,"b":2,"a":3})", "body").value()), R"({"a":3,"b":2})");
}

struct NumberCase {
  const char* text;
  const char* value;  // as written again; "" when refused
};

TEST(ParseJson, HoldsNumbersThatFitAndRefusesOthers) {
  const NumberCase cases[] = {
      {"18446744073709551615", "18446744073709551615"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"18446744073709551616", "1.8446744073709552e+19"},
      {"123456789012345678901234567890", "1.2345678901234568e+29"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"1e-999", "0.0"},
      {"1e999", ""},
      {"-1e999", ""},
      {"NaN", ""},
      {"Infinity", ""},
      {"01", ""},
      {"+1", ""},
      {"0x10", ""},
      {".5", ""},
      {"1.", ""},
  };
  for (const NumberCase& c : cases) {
    const auto value = parse_json(c.text, "body");
    EXPECT_EQ(value ? dump_json(*value) : "", c.value) << c.text;
  }
}

struct FaultCase {
  const char* behaviour;
  std::string text;
  std::size_t offset;
  const char* reason;
};

TEST(ParseJson, NamesTheByteAndTheReason) {
  const FaultCase cases[] = {
      {"nothing", "", 0, "unexpected end of input"},
      {"cut", R"({"a":)", 5, "unexpected end of input"},
      {"cut in a string", R"(["abc)", 5, "missing closing quote"},
      {"a comma too much", "[1,]", 3, "unexpected ']'"},
      {"two values", "1 2", 2, "unexpected number literal"},
      {"no colon", R"({"a" 1})", 5, "unexpected number literal"},
      {"a bare word", "[hello]", 1, "invalid literal"},
      {"single quotes", "{'a':1}", 1, "invalid literal"},
      {"a comment", "[1 // one\n]", 3, "invalid literal"},
      {"a raw line break in a string", "[\"a\nb\"]", 3, "must be escaped"},
      {"an escape that is none", R"(["\x"])", 3, "after backslash"},
      {"half a surrogate pair", R"(["\ud800"])", 8, "surrogate"},
      {"an ill-formed byte", "[\"a\xFF\"]", 3, "ill-formed UTF-8"},
      {"an overlong character", "[\"\xC0\xAF\"]", 2, "ill-formed UTF-8"},
      {"an encoded surrogate", "[\"\xED\xA0\x80\"]", 3, "ill-formed UTF-8"},
      {"a number that overflows", "[1e999]", 5, "too large for a double"},
      {"a NUL, which the parser would take for the end", std::string("1\0garbage", 9), 1, "NUL"},
      {"a NUL in a string", std::string("\"a\0b\"", 5), 2, "NUL"},
      {"a NUL behind a backslash", std::string("\"a\\\0b\"", 6), 3, "NUL"},
      {"closed twice", "[]]", 2, "expected end of input"},
      {"closed by the other kind", "[}", 1, "unexpected '}'"},
  };
  for (const FaultCase& c : cases) {
    const auto value = parse_json(c.text, "request body");
    ASSERT_FALSE(value) << c.behaviour;
    EXPECT_EQ(value.error().code, ErrorCode::kInvalidArgument) << c.behaviour;
    EXPECT_THAT(value.error().message,
                AllOf(StartsWith("request body: byte " + std::to_string(c.offset) + ": "),
                      HasSubstr(c.reason)))
        << c.behaviour;
  }
}

TEST(ParseJson, QuotesNothingOfTheTextInErrors) {
  for (const char* text : {R"({"note":"my password is hunter2" oops})", R"(["hunter2)",
                           R"({"hunter2" hunter2})", "hunter2"}) {
    const auto value = parse_json(text, "body");
    ASSERT_FALSE(value) << text;
    EXPECT_THAT(value.error().message, Not(HasSubstr("hunter"))) << text;
  }
}

TEST(ParseJsonLimits, DepthIsBoundedAndCountsStructureOnly) {
  EXPECT_TRUE(parse_json(nested(64), "body"));
  const auto deeper = parse_json(nested(65), "body");
  ASSERT_FALSE(deeper);
  EXPECT_EQ(deeper.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(deeper.error().message, HasSubstr("deeper than 64"));

  EXPECT_TRUE(parse_json("[\"" + std::string(1000, '[') + "\"]", "body")) << "in a string";
  EXPECT_TRUE(parse_json(R"(["\"[[[[[[[[[[\\"])", "body", {.max_depth = 1})) << "behind an escape";
  EXPECT_FALSE(parse_json(R"(["\\",[[1]]])", "body", {.max_depth = 2})) << "an escaped backslash";
  std::string flat = "[";
  for (int i = 0; i < 1000; ++i) flat += "[],";
  EXPECT_TRUE(parse_json(flat + "[]]", "body", {.max_depth = 2})) << "side by side";
}

TEST(ParseJsonLimits, HostileDepthCostsNoStack) {
  // A parser that recursed would need far more than this stack for eight million levels.
  const std::string hostile(8u << 20, '[');
  const std::string objects = [] {
    std::string text;
    for (int i = 0; i < 10'000; ++i) text += "{\"a\":";
    return text;
  }();
  const auto refused = [&] { return !parse_json(hostile, "body") && !parse_json(objects, "body"); };

  pthread_attr_t small_stack;
  ASSERT_EQ(pthread_attr_init(&small_stack), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&small_stack, 256 << 10), 0);
  struct Job {
    decltype(refused)& run;
    bool result = false;
  } job{refused};
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, &small_stack,
                [](void* given) -> void* {
                  auto* const mine = static_cast<Job*>(given);
                  mine->result = mine->run();
                  return nullptr;
                },
                &job),
            0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  pthread_attr_destroy(&small_stack);
  EXPECT_TRUE(job.result);
}

TEST(ParseJsonLimits, ATextThatIsTooLongIsNotEvenLookedAt) {
  // 100 MB that cannot be read: a scan or a copy would end this process.
  constexpr std::size_t kSize = 100u << 20;
  void* const memory = mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const auto value = parse_json({static_cast<const char*>(memory), kSize}, "request body");
  munmap(memory, kSize);
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(value.error().message,
            "request body: 104857600 bytes, more than the 8388608 that are accepted");
  EXPECT_TRUE(parse_json("[1]", "body", {.max_bytes = 3}));
  EXPECT_FALSE(parse_json("[12]", "body", {.max_bytes = 3}));
}

TEST(ParseJsonLimits, ObjectsThatTakeQuadraticTimeToBuildAreRefused) {
  EXPECT_TRUE(parse_json(object_of(4096), "body"));
  const auto more = parse_json(object_of(4097), "body");
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(more.error().message, HasSubstr("one may have 4096"));

  const auto list_of = [](std::size_t objects) {
    std::string text = "[0";
    for (std::size_t i = 0; i < objects; ++i) text += "," + object_of(2);
    return text + "]";
  };
  // Three members take 0 + 1 + 2 steps, and so do three objects of two.
  EXPECT_TRUE(parse_json(object_of(3), "body", {.max_members = 3}));
  EXPECT_FALSE(parse_json(object_of(4), "body", {.max_members = 3}));
  EXPECT_TRUE(parse_json(list_of(3), "body", {.max_members = 3}));
  EXPECT_FALSE(parse_json(list_of(4), "body", {.max_members = 3}));
  // Items of arrays and commas in strings are none.
  EXPECT_TRUE(parse_json(R"({"a,b":"c,d",",":[1,2,3,4]})", "body", {.max_members = 2}));
}

TEST(DumpJson, ReplacesIllFormedBytes) {
  EXPECT_EQ(dump_json(Json{{"a", "x\xFFy"}}), "{\"a\":\"x\uFFFDy\"}");
  EXPECT_EQ(dump_json(Json("\xE2\x82")), "\"\uFFFD\"");
}

RC_GTEST_PROP(DumpJson, IsOneLineOfValidUtf8ThatParsesBack, ()) {
  const std::string any = *rc::gen::oneOf(valid_utf8(), nearly_utf8(), any_bytes());
  const std::string line = dump_json(Json{{any, {any, 1, nullptr}}});
  RC_ASSERT(is_utf8(line));
  RC_ASSERT(line.find('\n') == std::string::npos);
  RC_ASSERT(dump_json(parse_json(line, "line").value()) == line);
}

RC_GTEST_PROP(DumpJson, RoundTripsStringsExactly, ()) {
  const std::string text = *valid_utf8();
  RC_ASSERT(parse_json(dump_json(Json(text)), "line").value() == Json(text));
}

// The flat scan may refuse more than the grammar does, never less, and nothing crashes.
RC_GTEST_PROP(ParseJson, AcceptsOnlyWhatTheParserAcceptsOfAnyBytes, ()) {
  const std::string text = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
      {{4, rc::gen::elementOf(std::string("[]{},:\"\\0123456789.eE-+ \n"))},
       {1, rc::gen::elementOf(std::string("truefalsn"))},
       {1, rc::gen::arbitrary<char>()}}));
  const auto value = parse_json(text, "bytes");
  if (value) {
    RC_ASSERT(Json::accept(text));
  } else {
    RC_ASSERT(is_utf8(value.error().message));
  }
}

}  // namespace
}  // namespace rapport::base
