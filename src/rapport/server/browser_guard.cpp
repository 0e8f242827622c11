#include "rapport/server/browser_guard.h"

#include <fmt/format.h>

#include <algorithm>

namespace rapport::server {
namespace {

constexpr std::string_view kMethods = "GET, HEAD, POST, PUT, PATCH, DELETE";
constexpr std::string_view kExposed =
    "x-request-id, x-rapport-conversation, x-rapport-degree, retry-after";

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

/// "localhost:8080" → "localhost"; "[::1]:8080" → "[::1]".
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool is_this_machine(std::string_view host) {
  const std::string name = lower(without_port(host));
  if (name == "localhost" || name == "[::1]") return true;
  // All of 127.0.0.0/8; digits only, so that "127.evil.example" is not taken for an address.
  return name.starts_with("127.") &&
         std::ranges::all_of(name, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

}  // namespace

Result<BrowserGuard> BrowserGuard::create(std::vector<std::string> origins) {
  BrowserGuard guard;
  for (std::string& origin : origins) {
    if (origin == "*") {
      guard.every_origin_ = true;
      continue;
    }
    const std::size_t scheme = origin.find("://");
    if (scheme == std::string::npos || scheme == 0 ||
        origin.find_first_of("/ ", scheme + 3) != std::string::npos || scheme + 3 == origin.size())
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("server.cors_origins holds \"{}\": write an origin without path, such "
                      "as https://app.example.com",
                      origin),
          "server.cors_origins");
    guard.origins_.push_back(lower(origin));
  }
  return guard;
}

bool BrowserGuard::allows(std::string_view origin) const {
  return every_origin_ || std::ranges::find(origins_, lower(origin)) != origins_.end();
}

std::optional<HttpResponse> BrowserGuard::preflight(const HttpRequest& request) const {
  const std::string_view origin = request.header("origin");
  if (request.method != "OPTIONS" || origin.empty() ||
      request.header("access-control-request-method").empty())
    return std::nullopt;
  if (!allows(origin))
    return HttpResponse::error({.code = ErrorCode::kPermissionDenied,
                                .message = fmt::format("pages of {} may not call this API: name "
                                                       "the origin in server.cors_origins",
                                                       origin),
                                .param = "origin",
                                .reason = "origin_not_allowed",
                                .retry_after = {}});
  HttpResponse response{.status = 204};
  response.headers = {{"access-control-allow-methods", std::string(kMethods)},
                      {"access-control-max-age", "600"}};
  if (const auto wanted = request.header("access-control-request-headers"); !wanted.empty())
    response.headers.emplace_back("access-control-allow-headers", wanted);
  return response;
}

Result<void> BrowserGuard::check_keyless(const HttpRequest& request) const {
  const std::string_view host = request.header("host");
  // HTTP/1.0 may leave Host out; no browser does.
  if (!host.empty() && !is_this_machine(host))
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("without API keys only this machine is served, and \"{}\" is not its "
                            "name: call http://localhost, or make a key with `rapport keys create`",
                            host),
                "host", "host_not_allowed");
  const std::string_view origin = request.header("origin");
  if (origin.empty() || allows(origin)) return {};
  const std::size_t scheme = origin.find("://");
  if (scheme != std::string_view::npos && lower(origin.substr(scheme + 3)) == lower(host))
    return {};
  return fail(ErrorCode::kPermissionDenied,
              fmt::format("pages of {} may not call this API: name the origin in "
                          "server.cors_origins",
                          origin),
              "origin", "origin_not_allowed");
}

void BrowserGuard::decorate(const HttpRequest& request, HttpResponse& response) const {
  if (!every_origin_ && origins_.empty()) return;
  response.headers.emplace_back("vary", "Origin");
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !allows(origin)) return;
  response.headers.emplace_back("access-control-allow-origin", origin);
  response.headers.emplace_back("access-control-expose-headers", kExposed);
}

}  // namespace rapport::server
