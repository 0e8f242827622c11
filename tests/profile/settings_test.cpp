#include "rapport/profile/settings.h"

#include <gtest/gtest.h>

namespace rapport::profile {
namespace {

Settings parsed(const char* json) {
  auto settings = parse_settings(Json::parse(json));
  EXPECT_TRUE(settings) << json << ": " << settings.error().message;
  return settings.value_or(Settings{});
}

TEST(Settings, GoThroughJsonUnchanged) {
  const char* const json =
      R"({"name":"Sam","language":"Spanish","tone":"direct","length":"brief","degree":2,)"
      R"("domains":{"cooking":{"detail":"high"}}})";
  EXPECT_EQ(to_json(parsed(json)).dump(), json);
  EXPECT_EQ(parsed("{}"), Settings{});
}

TEST(Settings, ADomainsFieldWinsThere) {
  const Settings settings =
      parsed(R"({"tone":"formal","length":"brief","domains":{"cooking":{"tone":"playful"}}})");
  EXPECT_EQ(settings.effective("cooking").tone, "playful");
  EXPECT_EQ(settings.effective("cooking").length, "brief");
  EXPECT_EQ(settings.effective("work").tone, "formal");
}

TEST(Settings, AreRefusedWithTheFieldAndARemedy) {
  struct Refused {
    const char* json;
    const char* param;
    const char* says;
  };
  const Refused cases[] = {
      {R"({"langauge":"es"})", "langauge", "did you mean \"language\"?"},
      {R"({"tone":"angry"})", "tone", "one of neutral, friendly"},
      {R"({"tone":3})", "tone", "must be a string"},
      {R"({"degree":4})", "degree", "0 (generic)"},
      {R"({"degree":"2"})", "degree", "0 (generic)"},
      {R"({"domains":[]})", "domains", "object"},
      {R"({"domains":{"x":{"tune":"formal"}}})", "domains.x.tune", "\"tone\""},
      {R"({"domains":{"x":1}})", "domains.x", "object"},
      {"[]", "", "must be an object"},
  };
  for (const Refused& c : cases) {
    const auto refused = parse_settings(Json::parse(c.json));
    ASSERT_FALSE(refused) << c.json;
    EXPECT_EQ(refused.error().param, c.param) << c.json;
    EXPECT_NE(refused.error().message.find(c.says), std::string::npos)
        << c.json << ": " << refused.error().message;
  }
  EXPECT_FALSE(parse_settings(Json{{"instructions", std::string(2001, 'x')}}));
}

TEST(Settings, ListsAreSeparatedByCommas) {
  const Settings settings = parsed(R"({"favourite_categories":" Comedy,Sci-Fi , ,"})");
  EXPECT_EQ(list_of(settings.general.favourite_categories),
            (std::vector<std::string>{"Comedy", "Sci-Fi"}));
  EXPECT_TRUE(list_of("").empty());
  EXPECT_FALSE(parse_settings(Json{{"avoided_categories", std::string(501, 'x')}}));
}

TEST(PatchSettings, SetsUnsetsAndLeavesTheRest) {
  Settings settings =
      parsed(R"({"name":"Sam","tone":"formal","domains":{"work":{"tone":"direct"}}})");
  settings = *patch_settings(settings, Json::parse(R"({"tone":null,"length":"long"})"));
  EXPECT_EQ(to_json(settings).dump(),
            R"({"name":"Sam","length":"long","domains":{"work":{"tone":"direct"}}})");
  settings = *patch_settings(settings, Json::parse(R"({"domains":{"work":{"tone":null}}})"));
  EXPECT_EQ(to_json(settings).dump(), R"({"name":"Sam","length":"long"})");
}

TEST(PatchSettings, RefusesUnknownFieldsEvenWhenUnsetting) {
  const auto refused = patch_settings({}, Json::parse(R"({"tome":null})"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "tome");
}

TEST(Instructions, SayEachSettingInWords) {
  const auto said =
      instructions(parsed(R"({"name":"Sam","length":"brief","language":"Spanish"})").general);
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0].sentence, "The user's name is Sam.");
  EXPECT_EQ(said[1].sentence, "Answer in Spanish.");
  EXPECT_EQ(said[2].key, "length");
}

}  // namespace
}  // namespace rapport::profile
