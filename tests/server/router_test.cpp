#include "rapport/server/router.h"

#include <gtest/gtest.h>

namespace rapport::server {
namespace {

Router table() {
  Router router;
  const std::pair<const char*, const char*> routes[] = {{"GET", "/"},
                                                        {"GET", "/v1/users/{id}/facts"},
                                                        {"POST", "/v1/users/{id}/facts"},
                                                        {"DELETE", "/v1/users/{id}/facts/{fact}"},
                                                        {"GET", "/v1/models"},
                                                        {"GET", "/v1/models/{id*}"}};
  for (const auto& [method, pattern] : routes) {
    router.add({.method = method,
                .pattern = pattern,
                .operation = {},
                .handler = Handler([](const HttpRequest&) { return HttpResponse{}; })});
  }
  return router;
}

struct FindCase {
  const char* method;
  const char* path;
  const char* pattern;  // "" for none
  std::map<std::string, std::string> parameters = {};
  std::vector<std::string> allowed = {};
};

TEST(Router, FindsByMethodAndPath) {
  const Router router = table();
  const FindCase cases[] = {
      {"GET", "/", "/"},
      {"GET", "/v1/users/sam/facts", "/v1/users/{id}/facts", {{"id", "sam"}}},
      {"HEAD", "/v1/users/sam/facts", "/v1/users/{id}/facts", {{"id", "sam"}}},
      {"GET", "/v1/users/a%2Fb%20c/facts", "/v1/users/{id}/facts", {{"id", "a/b c"}}},
      {"DELETE",
       "/v1/users/sam/facts/f1",
       "/v1/users/{id}/facts/{fact}",
       {{"id", "sam"}, {"fact", "f1"}}},
      {"GET", "/v1/models", "/v1/models"},
      {"GET", "/v1/models/org/name", "/v1/models/{id*}", {{"id", "org/name"}}},
      {"GET", "/v1/models/org%2Fname", "/v1/models/{id*}", {{"id", "org/name"}}},
      {"PUT", "/v1/users/sam/facts", "", {}, {"GET", "HEAD", "POST"}},
      {"GET", "/v1/users/sam/facts/f1", "", {}, {"DELETE"}},
      {"GET", "/v1/users//facts", ""},
      {"GET", "/v1/users/sam/facts/", ""},
      {"GET", "/v1/models/", ""},
      {"GET", "/nowhere", ""},
      {"GET", "", "/"},
  };
  for (const FindCase& c : cases) {
    const Router::Match match = router.find(c.method, c.path);
    EXPECT_EQ(match.route == nullptr ? "" : match.route->pattern, c.pattern) << c.method << c.path;
    EXPECT_EQ(match.parameters, c.parameters) << c.path;
    EXPECT_EQ(match.allowed, c.allowed) << c.path;
  }
}

TEST(Router, TellsAPathThatIsNoText) {
  const Router::Match match = table().find("GET", "/v1/users/%ff/facts");
  EXPECT_EQ(match.route, nullptr);
  ASSERT_TRUE(match.fault);
  EXPECT_EQ(match.fault->code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace rapport::server
