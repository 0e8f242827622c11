#include "rapport/server/browser_guard.h"

#include <gtest/gtest.h>

namespace rapport::server {
namespace {

struct KeylessCase {
  const char* behaviour;
  std::map<std::string, std::string> headers;
  const char* reason;  // "" passes
};

TEST(BrowserGuard, WithoutKeysOnlyThisMachinesOwnPagesAndProgramsPass) {
  const auto guard = BrowserGuard::create({"https://app.example.com"});
  ASSERT_TRUE(guard);
  const KeylessCase cases[] = {
      {"a program", {{"host", "127.0.0.1:8080"}}, ""},
      {"localhost in capitals", {{"host", "LocalHost:8080"}}, ""},
      {"IPv6", {{"host", "[::1]:8080"}}, ""},
      {"another loopback address", {{"host", "127.0.0.2"}}, ""},
      {"HTTP/1.0 without Host", {}, ""},
      {"a rebound name", {{"host", "evil.example:8080"}}, "host_not_allowed"},
      {"a name that begins like one", {{"host", "localhost.evil.example"}}, "host_not_allowed"},
      {"a name that begins like an address",
       {{"host", "127.0.0.1.evil.example"}},
       "host_not_allowed"},
      {"an address elsewhere", {{"host", "192.168.1.5"}}, "host_not_allowed"},
      {"our own page", {{"host", "localhost:8080"}, {"origin", "http://localhost:8080"}}, ""},
      {"another port's page",
       {{"host", "localhost:8080"}, {"origin", "http://localhost:3000"}},
       "origin_not_allowed"},
      {"another site's page",
       {{"host", "localhost:8080"}, {"origin", "https://evil.example"}},
       "origin_not_allowed"},
      {"a page without origin",
       {{"host", "localhost:8080"}, {"origin", "null"}},
       "origin_not_allowed"},
      {"a named site's page",
       {{"host", "localhost:8080"}, {"origin", "https://app.example.com"}},
       ""},
  };
  for (const KeylessCase& c : cases) {
    const auto passed = guard->check_keyless({.headers = c.headers});
    EXPECT_EQ(passed ? "" : passed.error().reason, c.reason) << c.behaviour;
  }
}

HttpRequest preflight(const std::string& origin) {
  return {.method = "OPTIONS",
          .headers = {{"origin", origin},
                      {"access-control-request-method", "POST"},
                      {"access-control-request-headers", "content-type, x-rapport-user"}}};
}

std::string value_of(const HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

TEST(BrowserGuard, AnswersThePreflightOfNamedOriginsOnly) {
  const auto guard = BrowserGuard::create({"https://app.example.com"});
  const auto named = guard->preflight(preflight("https://APP.example.com"));
  ASSERT_TRUE(named);
  EXPECT_EQ(named->status, 204);
  EXPECT_EQ(value_of(*named, "access-control-allow-headers"), "content-type, x-rapport-user");
  EXPECT_EQ(guard->preflight(preflight("https://evil.example"))->status, 403);
  EXPECT_FALSE(guard->preflight({.method = "OPTIONS"})) << "no preflight";
}

TEST(BrowserGuard, OffMeansNoCorsHeaderAtAll) {
  const auto guard = BrowserGuard::create({});
  HttpResponse response;
  guard->decorate({.headers = {{"origin", "https://app.example.com"}}}, response);
  EXPECT_TRUE(response.headers.empty());
  EXPECT_EQ(guard->preflight(preflight("https://app.example.com"))->status, 403);
}

TEST(BrowserGuard, NamedOriginsMayReadAndCachesKeepThemApart) {
  const auto guard = BrowserGuard::create({"https://app.example.com"});
  HttpResponse named, other;
  guard->decorate({.headers = {{"origin", "https://app.example.com"}}}, named);
  guard->decorate({.headers = {{"origin", "https://evil.example"}}}, other);
  EXPECT_EQ(value_of(named, "access-control-allow-origin"), "https://app.example.com");
  EXPECT_EQ(value_of(other, "access-control-allow-origin"), "");
  EXPECT_EQ(value_of(other, "vary"), "Origin");
}

TEST(BrowserGuard, RefusesWhatIsNoOrigin) {
  for (const char* text : {"app.example.com", "https://", "https://app.example.com/", "", "://x"})
    EXPECT_FALSE(BrowserGuard::create({text})) << text;
  EXPECT_TRUE(BrowserGuard::create({"*"})->allows_every_origin());
}

}  // namespace
}  // namespace rapport::server
