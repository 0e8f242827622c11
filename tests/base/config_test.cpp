#include "rapport/base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <fstream>
#include <limits>

#include "base/utf8_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::base {
namespace {

using rapport::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// As the modules have them.
struct Options {
  std::string listen = "127.0.0.1:8080";
  std::int64_t max_body_bytes = 8 << 20;
  bool trust_headers = false;
  double temperature = 0.7;
  std::vector<std::string> origins;
  std::string api_key;
  std::string model_path;
  std::int64_t seed = 0;

  void describe(OptionSet& set) {
    set.add("server.listen", listen, "address:port");
    set.add("server.max_body_bytes", max_body_bytes, "bytes", 1, 1 << 30);
    set.add("server.trust_headers", trust_headers, "take the user from a header");
    set.add("server.origins", origins, "allowed origins");
    set.add("language.temperature", temperature, "sampling temperature", 0, 2);
    set.add("language.model.path", model_path, "a GGUF file");
    set.add("language.seed", seed, "0 draws one", 0, std::numeric_limits<std::int64_t>::max());
    set.add_secret("language.api_key", api_key, "for the remote model");
  }

  friend bool operator==(const Options&, const Options&) = default;
};

/// Without the syncing of write_file_atomically, which is most of what these tests would take.
void write(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

class Config : public ::testing::Test {
 protected:
  Config() { values.describe(set); }

  std::string path() const { return folder.file("rapport.toml"); }

  Result<void> load(std::string_view toml) {
    write(path(), toml);
    return set.load_file(path());
  }

  std::string origin_of(std::string_view key) const {
    for (const auto& option : set.options())
      if (option.key == key) return option.origin;
    return "no such option";
  }

  TemporaryDirectory folder;
  Options values;
  OptionSet set;
};

TEST_F(Config, AFileSetsFieldsAndTellsWhereEachCameFrom) {
  const auto loaded = load(R"(
[server]
listen = "0.0.0.0:80"
trust_headers = true
origins = ["https://a.example", "https://b.example"]
[language]
temperature = 1      # a whole number will do
model = { path = "/models/x.gguf" }
)");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(values.listen, "0.0.0.0:80");
  EXPECT_TRUE(values.trust_headers);
  EXPECT_THAT(values.origins, ElementsAre("https://a.example", "https://b.example"));
  EXPECT_EQ(values.temperature, 1.0);
  EXPECT_EQ(values.model_path, "/models/x.gguf");
  EXPECT_EQ(values.max_body_bytes, 8 << 20) << "what is not named keeps its default";
  EXPECT_EQ(origin_of("server.listen"), path() + ":3");
  EXPECT_EQ(origin_of("language.model.path"), path() + ":8");
  EXPECT_EQ(origin_of("server.max_body_bytes"), "default");
}

TEST_F(Config, TheLaterSourceWins) {
  ASSERT_TRUE(load("server.listen = \"file\"\nlanguage.seed = 1\nlanguage.temperature = 0.1"));
  ASSERT_TRUE(set.load_environment(
      {{"RAPPORT_SERVER_LISTEN", "variable"}, {"RAPPORT_LANGUAGE_SEED", "2"}, {"HOME", "/root"}}));
  ASSERT_TRUE(set.assign("server.listen", "flag", "--listen"));
  EXPECT_EQ(values.listen, "flag");
  EXPECT_EQ(values.seed, 2);
  EXPECT_EQ(values.temperature, 0.1);
  EXPECT_EQ(origin_of("server.listen"), "--listen");
  EXPECT_EQ(origin_of("language.seed"), "RAPPORT_LANGUAGE_SEED");
  EXPECT_EQ(origin_of("language.temperature"), path() + ":3");
}

TEST_F(Config, UnderscoresInNamesAreNotMistakenForDots) {
  ASSERT_TRUE(set.load_environment({{"RAPPORT_SERVER_MAX_BODY_BYTES", "17"},
                                    {"RAPPORT_LANGUAGE_MODEL_PATH", "/m"},
                                    {"RAPPORT_LANGUAGE_API_KEY", "s3cret"}}));
  EXPECT_EQ(values.max_body_bytes, 17);
  EXPECT_EQ(values.model_path, "/m");
  EXPECT_EQ(values.api_key, "s3cret");
}

struct FileFault {
  const char* behaviour;
  const char* toml;
  const char* message;  // after the path
};

TEST_F(Config, FaultsOfAFileNameLineKeyValueAndWhatIsExpected) {
  const FileFault cases[] = {
      {"a typing error", "[server]\n\nlisten_ = \"x\"",
       ":3: unknown option server.listen_: did you mean server.listen?"},
      {"in the section", "[sever]\nlisten = \"x\"",
       ":2: unknown option sever.listen: did you mean server.listen?"},
      {"nothing like it", "colour = \"red\"",
       ":1: unknown option colour: expected one of server.listen, "
       "server.max_body_bytes, server.trust_headers, server.origins, language.temperature, "
       "language.model.path, language.seed, language.api_key"},
      {"an unknown section, even empty", "[telemetry]",
       ":1: unknown option telemetry: expected one of server.listen, "
       "server.max_body_bytes, server.trust_headers, server.origins, language.temperature, "
       "language.model.path, language.seed, language.api_key"},
      {"a value where a section is", "server = 3",
       ":1: server is a section: write its options under [server]"},
      {"a section where a value is", "[server.listen]\nx = 1",
       ":1: server.listen is a table: expected a text"},
      {"text for a number", "server.max_body_bytes = \"many\"",
       ":1: server.max_body_bytes is \"many\": expected a whole number from 1 to 1073741824"},
      {"a fraction for a whole number", "server.max_body_bytes = 1.5",
       ":1: server.max_body_bytes is 1.5: expected a whole number from 1 to 1073741824"},
      {"too small", "\n\nserver.max_body_bytes = 0",
       ":3: server.max_body_bytes is 0: expected a whole number from 1 to 1073741824"},
      {"too large", "language.temperature = 2.1",
       ":1: language.temperature is 2.1: expected a number from 0 to 2"},
      {"not a number", "language.temperature = nan",
       ":1: language.temperature is nan: expected a number from 0 to 2"},
      {"below the widest range", "language.seed = -1",
       ":1: language.seed is -1: expected a whole number from 0 to 9223372036854775807"},
      {"a number for a switch", "server.trust_headers = 1",
       ":1: server.trust_headers is 1: expected true or false"},
      {"a number for a text", "server.listen = 8080", ":1: server.listen is 8080: expected a text"},
      {"a date", "server.listen = 2026-01-01",
       ":1: server.listen is a date or time: expected a text"},
      {"a text for a list", "server.origins = \"a\"",
       ":1: server.origins is \"a\": expected a list of texts"},
      {"a number in a list of texts", "server.origins = [\"a\", 1]",
       ":1: server.origins is a list: expected a list of texts"},
      {"a secret's value is not shown", "language.api_key = 12345",
       ":1: language.api_key has a value that does not fit: expected a text"},
  };
  for (const FileFault& c : cases) {
    const auto loaded = load(c.toml);
    ASSERT_FALSE(loaded) << c.behaviour;
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidArgument) << c.behaviour;
    EXPECT_EQ(loaded.error().message, path() + c.message) << c.behaviour;
    EXPECT_NE(loaded.error().param, "") << c.behaviour;
  }
}

TEST_F(Config, FaultsOfTheNotationNameTheLine) {
  for (const char* toml :
       {"a = 1\nb =", "\n[server", "\nx = \"open", "\na = 1 b = 2", "a = 1\na = 2", "\n[}",
        "\nl\u0403 = 1", "\n\u3041 = 1", "\nx = \"\xFF\""}) {
    const auto loaded = load(toml);
    ASSERT_FALSE(loaded) << toml;
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidArgument) << toml;
    EXPECT_THAT(loaded.error().message, HasSubstr(path() + ":2: ")) << toml;
  }
}

TEST_F(Config, HostileNestingIsRefused) {
  EXPECT_FALSE(load("x = " + std::string(100'000, '[')));
  std::string tables;
  for (int i = 0; i < 100'000; ++i) tables += "{a=";
  EXPECT_FALSE(load("x = " + tables));
}

TEST_F(Config, AMissingFileIsNotFound) {
  EXPECT_EQ(set.load_file(folder.file("none.toml")).error().code, ErrorCode::kNotFound);
}

TEST_F(Config, FaultsOfVariablesNameTheVariable) {
  struct Case {
    const char* variable;
    const char* text;
    const char* message;
  };
  for (const Case& c : {
           Case{"RAPPORT_SERVER_LISTN", "x",
                "unknown variable RAPPORT_SERVER_LISTN: did you mean RAPPORT_SERVER_LISTEN?"},
           Case{"RAPPORT_SERVER_MAX_BODY_BYTES", "1e6",
                "RAPPORT_SERVER_MAX_BODY_BYTES: server.max_body_bytes is \"1e6\": expected a whole "
                "number from 1 to 1073741824"},
           Case{"RAPPORT_SERVER_MAX_BODY_BYTES", "",
                "RAPPORT_SERVER_MAX_BODY_BYTES: server.max_body_bytes is \"\": expected a whole "
                "number from 1 to 1073741824"},
           Case{
               "RAPPORT_LANGUAGE_SEED", "99999999999999999999",
               "RAPPORT_LANGUAGE_SEED: language.seed is \"99999999999999999999\": expected a whole "
               "number from 0 to 9223372036854775807"},
           Case{"RAPPORT_LANGUAGE_TEMPERATURE", "hot",
                "RAPPORT_LANGUAGE_TEMPERATURE: language.temperature is \"hot\": expected a number "
                "from 0 to 2"},
           Case{"RAPPORT_SERVER_TRUST_HEADERS", "maybe",
                "RAPPORT_SERVER_TRUST_HEADERS: server.trust_headers is \"maybe\": expected true or "
                "false"},
           Case{"RAPPORT_SERVER_LISTEN", "\xFF",
                "RAPPORT_SERVER_LISTEN: server.listen is \"\uFFFD\": expected a text"},
       }) {
    const auto loaded = set.load_environment({{c.variable, c.text}});
    ASSERT_FALSE(loaded) << c.variable;
    EXPECT_EQ(loaded.error().message, c.message);
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST_F(Config, VariablesThatAreNotOptionsCanBeIgnored) {
  EXPECT_TRUE(set.load_environment({{"RAPPORT_HOME", "/x"}, {"RAPPORT_CONFIG", "/y"}}));
  EXPECT_TRUE(set.load_environment({{"RAPPORT_TEST", "1"}}, {"RAPPORT_TEST"}));
  EXPECT_FALSE(set.load_environment({{"RAPPORT_TEST", "1"}}));
}

TEST_F(Config, ASourceWithOneFaultChangesNothing) {
  const Options before = values;
  EXPECT_FALSE(load("language.seed = 5\nserver.listen = \"x\"\nserver.zzz = 1"));
  EXPECT_FALSE(set.load_environment(
      {{"RAPPORT_LANGUAGE_SEED", "5"}, {"RAPPORT_SERVER_LISTEN", "x"}, {"RAPPORT_ZZZ", "1"}}));
  EXPECT_FALSE(set.assign("language.seed", "five", "--seed"));
  EXPECT_EQ(values, before);
  EXPECT_EQ(origin_of("language.seed"), "default");
}

TEST_F(Config, TextsOfVariablesAndFlagsBecomeEveryKindOfValue) {
  for (const char* yes : {"true", "TRUE", "1", "yes", "on", " on "}) {
    values.trust_headers = false;
    EXPECT_TRUE(set.assign("server.trust_headers", yes, "--x")) << yes;
    EXPECT_TRUE(values.trust_headers) << yes;
  }
  for (const char* no : {"false", "0", "No", "off"}) {
    values.trust_headers = true;
    EXPECT_TRUE(set.assign("server.trust_headers", no, "--x")) << no;
    EXPECT_FALSE(values.trust_headers) << no;
  }
  EXPECT_TRUE(set.assign("server.origins", " a, b ,c", "--x"));
  EXPECT_THAT(values.origins, ElementsAre("a", "b", "c"));
  EXPECT_TRUE(set.assign("server.origins", " ", "--x"));
  EXPECT_THAT(values.origins, ElementsAre());
  EXPECT_TRUE(set.assign("language.temperature", "1.5e0", "--x"));
  EXPECT_EQ(values.temperature, 1.5);
  EXPECT_TRUE(set.assign("server.listen", " kept as it is ", "--x"));
  EXPECT_EQ(values.listen, " kept as it is ");
}

TEST_F(Config, AnUnknownKeyOfAFlagNamesTheFlagAndTheNearestKey) {
  const auto assigned = set.assign("language.temprature", "1", "--set");
  ASSERT_FALSE(assigned);
  EXPECT_EQ(assigned.error().message,
            "--set: unknown option language.temprature: did you mean language.temperature?");
  EXPECT_EQ(assigned.error().param, "language.temprature");
}

TEST_F(Config, ShowsEffectiveValuesButNoSecret) {
  ASSERT_TRUE(load("language.temperature = 0.5\nserver.origins = [\"a\"]"));
  const auto shown = [&] {
    Json all = Json::object();
    for (const auto& option : set.options()) all[option.key] = OptionSet::value(option);
    return dump_json(all);
  };
  EXPECT_EQ(shown(),
            R"~({"server.listen":"127.0.0.1:8080","server.max_body_bytes":8388608,)~"
            R"~("server.trust_headers":false,"server.origins":["a"],"language.temperature":0.5,)~"
            R"~("language.model.path":"","language.seed":0,"language.api_key":"(not set)"})~");
  values.api_key = "hunter2";
  EXPECT_THAT(shown(), HasSubstr(R"~("language.api_key":"(set)")~"));
  EXPECT_THAT(shown(), Not(HasSubstr("hunter2")));
}

/// As a TOML basic string.
std::string toml_string(const std::string& text) {
  return dump_json(Json(text));
}

// The same values, whichever way they come in, are the same values.
RC_GTEST_PROP(ConfigSources, AgreeOnEveryValue, ()) {
  Options wanted;
  wanted.seed = *rc::gen::inRange<std::int64_t>(0, std::numeric_limits<std::int64_t>::max());
  wanted.max_body_bytes = *rc::gen::inRange<std::int64_t>(1, 1 << 30);
  wanted.trust_headers = *rc::gen::arbitrary<bool>();
  wanted.temperature = *rc::gen::inRange(0, 2'000'000) / 1e6;
  // DEL may stand in JSON as it is, not in TOML; neither it nor NUL matters here.
  wanted.listen = *rc::gen::suchThat(valid_utf8(), [](const std::string& text) {
    return text.find('\x7F') == std::string::npos && text.find('\0') == std::string::npos;
  });
  wanted.origins = *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("abc:/.*[]\"")))));

  Options from_file, from_environment;
  OptionSet file_set, environment_set;
  from_file.describe(file_set);
  from_environment.describe(environment_set);

  const TemporaryDirectory folder;
  std::string list, commas;
  for (const std::string& origin : wanted.origins) {
    list += toml_string(origin) + ",";
    commas += (commas.empty() ? "" : ",") + origin;
  }
  const std::string temperature = Json(wanted.temperature).dump();
  const std::string toml = "[server]\nlisten = " + toml_string(wanted.listen) +
                           "\nmax_body_bytes = " + std::to_string(wanted.max_body_bytes) +
                           "\ntrust_headers = " + (wanted.trust_headers ? "true" : "false") +
                           "\norigins = [" + list + "]\n[language]\ntemperature = " + temperature +
                           "\nseed = " + std::to_string(wanted.seed) + "\n";
  write(folder.file("c.toml"), toml);
  const auto loaded = file_set.load_file(folder.file("c.toml"));
  if (!loaded) RC_FAIL(loaded.error().message);
  RC_ASSERT(from_file == wanted);

  RC_ASSERT(environment_set
                .load_environment(
                    {{"RAPPORT_SERVER_LISTEN", wanted.listen},
                     {"RAPPORT_SERVER_MAX_BODY_BYTES", std::to_string(wanted.max_body_bytes)},
                     {"RAPPORT_SERVER_TRUST_HEADERS", wanted.trust_headers ? "true" : "false"},
                     {"RAPPORT_SERVER_ORIGINS", commas},
                     {"RAPPORT_LANGUAGE_TEMPERATURE", temperature},
                     {"RAPPORT_LANGUAGE_SEED", std::to_string(wanted.seed)}})
                .has_value());
  RC_ASSERT(from_environment == wanted);
}

RC_GTEST_PROP(ConfigSources, NoBytesOfAFileDoHarm, ()) {
  Options values;
  OptionSet set;
  values.describe(set);
  const TemporaryDirectory folder;
  const std::string bytes = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
      {{3, rc::gen::elementOf(std::string("[]{}=\"'#.,\n servlitn01-+_e:T"))},
       {1, rc::gen::arbitrary<char>()}}));
  write(folder.file("c.toml"), bytes);
  const auto loaded = set.load_file(folder.file("c.toml"));
  if (!loaded) RC_ASSERT(loaded.error().code == ErrorCode::kInvalidArgument);
}

TEST(ConfigDeathTest, TwoOptionsOfOneVariableAreOurFault) {
#ifndef NDEBUG
  bool field = false;
  OptionSet set;
  set.add("a.b_c", field, "");
  EXPECT_DEATH(set.add("a_b.c", field, ""), "");
#else
  GTEST_SKIP() << "checked in debug builds";
#endif
}

TEST(Environment, IsThisProcesss) {
  ::setenv("RAPPORT_BASE_TEST_VARIABLE", "a=b", 1);
  const auto variables = environment();
  ::unsetenv("RAPPORT_BASE_TEST_VARIABLE");
  EXPECT_EQ(variables.at("RAPPORT_BASE_TEST_VARIABLE"), "a=b");
}

TEST(Nearest, IsTheSmallestEditDistanceWithinAThirdOfTheLength) {
  const std::vector<std::string> known = {"server.listen", "server.threads", "language.model",
                                          "seed"};
  EXPECT_EQ(nearest("server.listen", known), "server.listen");
  EXPECT_EQ(nearest("server.lisen", known), "server.listen");
  EXPECT_EQ(nearest("server.thread", known), "server.threads");
  EXPECT_EQ(nearest("langauge.model", known), "language.model");
  EXPECT_EQ(nearest("sead", known), "seed");
  EXPECT_EQ(nearest("saad", known), "") << "two of four letters";
  EXPECT_EQ(nearest("telemetry.url", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest("x", {}), "");
  EXPECT_EQ(nearest(std::string(1 << 20, 'x'), known), "");
}

}  // namespace
}  // namespace rapport::base
