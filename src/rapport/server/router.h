// The one table of what the server can do: each route carries its handler, who may use it, and its
// own description, from which openapi.h makes the specification.
//
//   router.add({.method = "GET", .pattern = "/v1/users/{id}/facts", .access = Access::kAnyKey,
//               .operation = {.id = "listFacts", …}, .handler = Handler(…)});
//   Router::Match match = router.find("GET", "/v1/users/sam/facts");   // {id: "sam"}
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rapport/server/http.h"

namespace rapport::server {

/// The least that a key must be; each includes the ones after it.
enum class Access { kPublic, kAnyKey, kApp, kAdmin };
std::string_view name(Access access);

enum class ParameterPlace { kPath, kQuery, kHeader };

struct Parameter {
  ParameterPlace place = ParameterPlace::kQuery;
  std::string name;
  std::string description;
  bool required = false;
  Json schema = {{"type", "string"}};
};

struct ResponseDescription {
  int status = 200;
  std::string description;
  std::string schema;  // a name in page/schemas_*.json; "" when the body is not JSON
  std::string content_type = "application/json";
};

/// One operation as OpenAPI describes it. Path parameters must be named in `parameters`.
struct Operation {
  std::string id;
  std::string tag;
  std::string summary;
  std::string description = {};
  std::vector<Parameter> parameters = {};
  std::string request_schema = {};
  std::vector<ResponseDescription> responses = {};
};

struct Route {
  std::string method;
  /// Segments of text or "{name}"; a last "{name*}" takes all that is left, slashes too.
  std::string pattern;
  Access access = Access::kAnyKey;
  Operation operation;
  std::variant<Handler, StreamHandler> handler;
};

/// Filled at start, then only read: `find` is thread-safe.
class Router {
 public:
  void add(Route route);

  struct Match {
    const Route* route = nullptr;
    std::map<std::string, std::string> parameters;  // decoded
    std::vector<std::string> allowed;  // without a route: methods that this path does have
    std::optional<Error> fault;        // the path cannot be decoded
  };
  /// `path` as sent, percent-encoded. HEAD finds GET's route.
  Match find(std::string_view method, std::string_view path) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
  std::vector<std::vector<std::string>> segments_;  // of each route's pattern
};

}  // namespace rapport::server
