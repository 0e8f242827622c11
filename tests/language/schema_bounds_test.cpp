#include "rapport/language/schema_bounds.h"

#include <gtest/gtest.h>

#include <string>

namespace rapport::language {
namespace {

struct Case {
  std::string pattern;
  int readings;
};

TEST(SchemaBounds, CountsThePartsThatCanComeNextAtOnce) {
  const Case cases[] = {
      {"", 1},
      {"^[a-z]{1,64}$", 1},
      {"^.{0,1900}$", 1},
      {R"(^\d{4}-\d{2}-\d{2}$)", 1},
      {R"(^(\d{1,3}\.){3}\d{1,3}$)", 1},
      {R"(^[^@\]]+@[^@]+\.[a-z]{2,}$)", 1},
      {"^(red|green|blue)(,(red|green|blue))*$", 1},
      {R"(^-?\d+(\.\d+)?([eE][+-]?\d+)?$)", 2},
      {"^((a*)*)*b$", 2},
      {"^a?b?$", 2},
      {"a?b?xc?d?e?", 3},
      {"^(a?){500}$", 500},
      {"^(a?){500,}$", 500},
      {"^(a{0,31}){0,31}$", 31},
      {"^((a{0,1000}){0,1000}){0,1000}$", kMostReadings},
      {"^(((a?){50}){50}){50}$", 125'000},
      {"^(a?){99999999999999999999}$", kMostReadings},
      {"^([a-z]|[a-y]|[a-x]|[a-w])*$", 4},
      {"^(ab|ac|ad)+$", 2},
      {"(((", 1},
      {"a)b)c", 1},
      {"[a", 1},
      {"a{5,2", 1},
      {"\\", 1},
      {std::string(10'000, '('), kMostReadings},
  };
  for (const Case& c : cases) EXPECT_EQ(readings(c.pattern), c.readings) << c.pattern;
}

TEST(SchemaBounds, RefusesAPatternOfTooManyReadingsWhereverItStands) {
  const Json good = {{"type", "string"}, {"pattern", "^[a-z]+$"}};
  const Json bad = {{"type", "string"}, {"pattern", "^(a?){500}$"}};
  EXPECT_TRUE(check_patterns(Json(), "response_format"));
  EXPECT_TRUE(check_patterns(good, "response_format"));
  EXPECT_TRUE(check_patterns({{"properties", {{"pattern", good}}}}, "response_format"));
  for (const Json& schema :
       {bad, Json{{"properties", {{"pattern", bad}}}}, Json{{"anyOf", {good, bad}}},
        Json::array({{{"function", {{"parameters", {{"items", bad}}}}}}})}) {
    const auto refused = check_patterns(schema, "tools");
    ASSERT_FALSE(refused) << schema;
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
    EXPECT_EQ(refused.error().param, "tools");
    EXPECT_NE(refused.error().message.find("^(a?){500}$"), std::string::npos);
  }
}

}  // namespace
}  // namespace rapport::language
