#include "rapport/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <regex>
#include <sstream>
#include <thread>
#include <vector>

#include "base/utf8_samples.h"
#include "rapport/base/random.h"
#include "rapport/base/text.h"

namespace rapport::base {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class Log : public ::testing::Test {
 protected:
  ~Log() override { set_up_logging(LogLevel::kWarning, LogFormat::kHuman); }

  /// What goes to stderr while `work` runs.
  template <typename Work>
  static std::string logged(LogLevel level, LogFormat format, Work work) {
    set_up_logging(level, format);
    ::testing::internal::CaptureStderr();
    work();
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(Log, ForPeopleIsOneLineOfTimeLevelMessageAndFields) {
  const std::string line = logged(LogLevel::kInfo, LogFormat::kHuman, [] {
    log_info("turn recorded", {{"response", "resp_1"}, {"ms", 3.2}, {"note", "two words"}});
  });
  const std::regex form(
      R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info    turn recorded response=resp_1 ms=3.2 note="two words"\n)");
  EXPECT_TRUE(std::regex_match(line, form)) << line;
}

TEST_F(Log, ForMachinesIsOneJsonObjectALine) {
  const std::string line = logged(LogLevel::kInfo, LogFormat::kJson, [] {
    log_error("it \"broke\"\nhere", {{"count", 3}, {"of", {{"deep", true}}}, {"level", "mine"}});
  });
  EXPECT_THAT(line, EndsWith("}\n"));
  const Json parsed = parse_json(line, "line").value();
  EXPECT_EQ(parsed["level"], "error");
  EXPECT_EQ(parsed["message"], "it \"broke\"\nhere");
  EXPECT_EQ(parsed["count"], 3);
  EXPECT_EQ(parsed["of"]["deep"], true);
  EXPECT_EQ(parsed["field_level"], "mine") << "a field does not pass for one of ours";
  EXPECT_TRUE(parsed["time"].get<std::string>().ends_with("Z"));
}

TEST_F(Log, LeavesOutWhatIsBelowItsLevel) {
  const auto lines_at = [](LogLevel level) {
    const std::string text = logged(level, LogFormat::kHuman, [] {
      log_debug("one");
      log_info("two");
      log_warning("three");
      log_error("four");
    });
    return std::ranges::count(text, '\n');
  };
  EXPECT_EQ(lines_at(LogLevel::kDebug), 4);
  EXPECT_EQ(lines_at(LogLevel::kInfo), 3);
  EXPECT_EQ(lines_at(LogLevel::kWarning), 2);
  EXPECT_EQ(lines_at(LogLevel::kError), 1);
  EXPECT_EQ(lines_at(LogLevel::kOff), 0);
}

TEST_F(Log, StaysOneLineAndMovesNoCursorWhateverIsLogged) {
  const std::string line = logged(LogLevel::kInfo, LogFormat::kHuman, [] {
    log_info("a\nb\r\x1b[2Jc\u009Bd{}%s", {{"k\n", "v\x1b"}, {"bad", "\xFF"}});
  });
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_THAT(line, HasSubstr(R"(a\nb\x0d\x1b[2Jc\x9bd{}%s k\n=)"));
  EXPECT_EQ(line.find_first_of("\r\x1b"), std::string::npos);
  EXPECT_TRUE(is_utf8(line));
}

TEST_F(Log, FieldsOfOneAreNotMistakenForAList) {
  EXPECT_THAT(logged(LogLevel::kInfo, LogFormat::kHuman,
                     [] {
                       log_info("x", {{"id", "a"}});
                     }),
              EndsWith(" x id=a\n"));
  EXPECT_THAT(logged(LogLevel::kInfo, LogFormat::kHuman, [] { log_info("x", Json(5)); }),
              EndsWith(" x fields=5\n"));
}

TEST_F(Log, HidesTheValuesOfFieldsThatNameASecret) {
  for (const char* name :
       {"authorization", "Authorization",  "api_key",       "apiKey",   "API-KEY",
        "apikey",        "APIKey",         "key",           "key2",     "token",
        "accessToken",   "upstream.token", "X-Auth-Token",  "password", "db_password",
        "secret",        "clientSecret",   "client_secret", "cookie",   "Set-Cookie"}) {
    for (const LogFormat format : {LogFormat::kHuman, LogFormat::kJson}) {
      const std::string line = logged(LogLevel::kInfo, format, [&] {
        log_info("x", {{name, "hunter2"}, {"nested", {{{name, {"hunter2", 1}}}}}});
      });
      EXPECT_THAT(line, HasSubstr("[hidden]")) << name;
      EXPECT_THAT(line, Not(HasSubstr("hunter2"))) << name;
    }
  }
}

TEST_F(Log, ShowsFieldsThatOnlySoundLikeASecret) {
  for (const char* name : {"prompt_tokens", "tokens", "keys", "monkey", "keyboard", "secretary",
                           "tokenizer", "author"}) {
    EXPECT_THAT(logged(LogLevel::kInfo, LogFormat::kHuman,
                       [&] {
                         log_info("x", {{name, 12345}});
                       }),
                HasSubstr("12345"))
        << name;
  }
}

TEST_F(Log, LinesOfManyThreadsDoNotMix) {
  const std::string text = logged(LogLevel::kInfo, LogFormat::kJson, [] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 50; ++i) log_info(std::string(200, 'x'), {{"thread", t}, {"i", i}});
      });
    }
  });
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    EXPECT_TRUE(parse_json(line, "line")) << line;
  EXPECT_EQ(count, 200);
}

struct HideCase {
  const char* text;
  const char* shown;
};

TEST(HideSecrets, ReplacesKeysAndTokensAndNothingElse) {
  const HideCase cases[] = {
      {"key rk_4k2abc9defgh1234 revoked", "key [hidden] revoked"},
      {"rk_abcdefgh", "[hidden]"},
      {"(rk_abc-DEF_123)", "([hidden])"},
      {"key=rk_abcdefgh&x=1", "key=[hidden]&x=1"},
      {"sk-proj-abc_DEF-123456", "[hidden]"},
      {"a\\nrk_0123456789abcdefghjkmnpqrs", "a\\n[hidden]"},
      {"Authorization: Bearer abc.def~ghi+/=", "Authorization: Bearer [hidden]"},
      {"bearer   x", "bearer   [hidden]"},
      {"BEARER%20abc", "BEARER%20[hidden]"},
      {"authorization: basic dXNlcjpwYXNz", "authorization: basic [hidden]"},
      {"send Authorization: Bearer <key>", "send Authorization: Bearer <key>"},
      {"the work_directory and a mark_sheet", "the work_directory and a mark_sheet"},
      {"rk_ and rk_short", "rk_ and rk_short"},
      {"task-list risk-averse", "task-list risk-averse"},
      {"a basic question", "a basic question"},
      {"bearer", "bearer"},
      {"", ""},
  };
  for (const HideCase& c : cases) EXPECT_EQ(hide_secrets(c.text), c.shown) << c.text;
}

/// Where a secret may turn up: in a text, with anything around it.
rc::Gen<std::string> surroundings() {
  return rc::gen::oneOf(rc::gen::container<std::string>(rc::gen::elementOf(
                            std::string("abkrs0129_-=:/. \"'\\\n\t{}[](),;&?%<>"))),
                        valid_utf8());
}

/// One of our keys, however the text around it looks: "rk_" and 26 characters that tell it.
RC_GTEST_PROP(HideSecrets, NeverLetsAKeyOfOursThrough, (std::uint64_t seed)) {
  SeededRandom random(seed);
  const std::string secret = random.id("");
  const std::string text = *surroundings() + "rk_" + secret + *surroundings();
  RC_ASSERT(hide_secrets(text).find(secret) == std::string::npos);
}

RC_GTEST_PROP(HideSecrets, NeverLetsABearerTokenThrough, ()) {
  const std::string token = *rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("ABCXYZ567._~+/-="))));
  const std::string scheme = *rc::gen::elementOf(
      std::vector<std::string>{"Bearer ", "bearer ", "BEARER\t", "Bearer  ", "bearer%20"});
  const std::string before = *surroundings();
  const std::string after =
      *rc::gen::elementOf(std::vector<std::string>{"", " end", "\"}", "\r\n"});
  const std::string shown = hide_secrets(before + scheme + token + after);
  RC_ASSERT(shown == hide_secrets(before) + scheme + "[hidden]" + after);
}

RC_GTEST_PROP(HideSecrets, IsIdempotentAndKeepsUtf8, (std::uint64_t seed)) {
  SeededRandom random(seed);
  const std::string once = hide_secrets(*surroundings() + random.id("rk_") + *surroundings());
  RC_ASSERT(hide_secrets(once) == once);
  RC_ASSERT(is_utf8(once));
}

// Through the logger itself, in both forms, wherever in a record the secret hides.
RC_GTEST_FIXTURE_PROP(Log, NeverPrintsAKeyOfOurs, (std::uint64_t seed, bool as_json)) {
  SeededRandom random(seed);
  const std::string secret = random.id("");
  const std::string text = *surroundings() + "rk_" + secret + *surroundings();
  const std::string out =
      logged(LogLevel::kInfo, as_json ? LogFormat::kJson : LogFormat::kHuman, [&] {
        log_info(text, {{"text", text}, {text, 1}, {"list", {1, {{"deep", text}}}}});
      });
  RC_ASSERT(out.find(secret) == std::string::npos);
  RC_ASSERT(std::ranges::count(out, '\n') == 1);
}

TEST(ParseLogLevel, KnowsItsNamesAndNoOthers) {
  EXPECT_EQ(parse_log_level("debug"), LogLevel::kDebug);
  EXPECT_EQ(parse_log_level("info"), LogLevel::kInfo);
  EXPECT_EQ(parse_log_level("warning"), LogLevel::kWarning);
  EXPECT_EQ(parse_log_level("error"), LogLevel::kError);
  EXPECT_EQ(parse_log_level("off"), LogLevel::kOff);
  EXPECT_EQ(parse_log_level("loud").error().message,
            "unknown log level \"loud\": expected debug, info, warning, error or off");
  EXPECT_EQ(parse_log_format("human"), LogFormat::kHuman);
  EXPECT_EQ(parse_log_format("json"), LogFormat::kJson);
  EXPECT_EQ(parse_log_format("xml").error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace rapport::base
