#include "rapport/server/door.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rapport::server {
namespace {

HttpResponse not_found(const HttpRequest& request) {
  return HttpResponse::error(
      {.code = ErrorCode::kNotFound,
       .message = fmt::format("there is no {} here: /openapi.json lists what there is",
                              request.path.substr(0, 200)),
       .param = {},
       .reason = "unknown_path",
       .retry_after = {}});
}

HttpResponse wrong_method(const HttpRequest& request, const std::vector<std::string>& allowed) {
  const std::string list = fmt::format("{}", fmt::join(allowed, ", "));
  HttpResponse response;
  if (request.method == "OPTIONS") {
    response.status = 204;
  } else {
    response = HttpResponse::error(
        {.code = ErrorCode::kMethodNotAllowed,
         .message = fmt::format("{} is not served here: use {}", request.method, list),
         .param = {},
         .reason = {},
         .retry_after = {}});
  }
  response.headers.emplace_back("allow", list);
  return response;
}

bool may_use(store::KeyRole role, Access access) {
  switch (access) {
    case Access::kPublic:
    case Access::kAnyKey: return true;
    case Access::kApp: return role != store::KeyRole::kUser;
    case Access::kAdmin: return role == store::KeyRole::kAdmin;
  }
  return false;
}

}  // namespace

Door::Door(const ServerOptions& options, BrowserGuard browser, Authentication& authentication,
           const Router& router, const base::Clock& clock)
    : browser_(std::move(browser)),
      authentication_(authentication),
      router_(router),
      rate_limit_(options.rate_per_minute, options.rate_burst, clock) {}

Door::Decision Door::decide(HttpRequest& request,
                            const std::optional<Result<Principal>>& looked_up) {
  if (auto preflight = browser_.preflight(request)) return {.refusal = std::move(preflight)};
  Router::Match match = router_.find(request.method, request.path);
  if (match.fault) return {.refusal = HttpResponse::error(*match.fault)};
  if (match.route == nullptr) {
    return {.refusal =
                match.allowed.empty() ? not_found(request) : wrong_method(request, match.allowed)};
  }
  request.path_parameters = std::move(match.parameters);
  if (match.route->access == Access::kPublic) return {.route = match.route};

  const auto principal = looked_up ? looked_up : authentication_.recall(presented_secret(request));
  if (!principal) return {.route = match.route, .unknown_key = true};
  if (auto admitted = admit(request, *match.route, *principal); !admitted) {
    HttpResponse refusal = HttpResponse::error(admitted.error());
    if (refusal.status == 401) refusal.headers.emplace_back("www-authenticate", "Bearer");
    return {.route = match.route, .refusal = std::move(refusal)};
  }
  return {.route = match.route};
}

Result<void> Door::admit(HttpRequest& request, const Route& route,
                         const Result<Principal>& principal) {
  // A wrong key counts against the address, so that guessing is slow too.
  const std::string who =
      principal && !principal->key_id.empty() ? principal->key_id : request.peer;
  if (const auto wait = rate_limit_.refuse(who)) {
    Error error{.code = ErrorCode::kRateLimited,
                .message = fmt::format("too many requests: try again in {} s", wait->count()),
                .param = {},
                .reason = "rate_limit_exceeded",
                .retry_after = *wait};
    return fail(std::move(error));
  }
  if (!principal) return fail(principal.error());
  if (principal->key_id.empty()) TRY_VOID(browser_.check_keyless(request));
  if (!may_use(principal->role, route.access))
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("{} {} needs a key of role {}, this one has role {}", route.method,
                            route.pattern, name(route.access), store::name(principal->role)));
  request.principal = *principal;
  return {};
}

Result<Principal> Door::look_up(const HttpRequest& request) {
  return authentication_.look_up(presented_secret(request));
}

}  // namespace rapport::server
