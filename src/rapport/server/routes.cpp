#include "rapport/server/routes.h"

#include <fmt/format.h>

#include <charconv>

namespace rapport::server {
namespace {

constexpr std::int64_t kDefaultLimit = 100;
constexpr std::int64_t kMaxLimit = 500;
constexpr std::int64_t kMaxOffset = 1'000'000'000;

Result<std::int64_t> number_of(const HttpRequest& request, const std::string& key,
                               std::int64_t otherwise, std::int64_t minimum, std::int64_t maximum) {
  const auto found = request.query.find(key);
  if (found == request.query.end()) return otherwise;
  const std::string& text = found->second;
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size() || value < minimum ||
      value > maximum)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not a whole number from {} to {}", key, minimum, maximum), key);
  return value;
}

}  // namespace

Result<std::string> app_of(const HttpRequest& request) {
  const std::string named(request.header("x-rapport-app"));
  if (named.empty() || named == request.principal.app) return request.principal.app;
  if (request.principal.role != store::KeyRole::kAdmin)
    return fail(ErrorCode::kPermissionDenied,
                "this key acts for its own application only: leave x-rapport-app out",
                "x-rapport-app");
  return named;
}

Result<UserScope> user_scope(const HttpRequest& request, const std::string& named) {
  TRY(std::string app, app_of(request));
  const std::string& bound = request.principal.bound_user;
  if (!bound.empty()) {
    if (!named.empty() && named != bound)
      return fail(ErrorCode::kPermissionDenied,
                  "this key is bound to one user and this is another's", "user");
    return UserScope{std::move(app), bound};
  }
  if (named.empty())
    return fail(ErrorCode::kInvalidArgument,
                "user is missing: name the user as `user`, in the query of what is read and in the "
                "body of what is posted",
                "user");
  return UserScope{std::move(app), named};
}

Result<store::Page> page_of(const HttpRequest& request) {
  store::Page page;
  TRY(page.limit, number_of(request, "limit", kDefaultLimit, 1, kMaxLimit));
  TRY(page.offset, number_of(request, "offset", 0, 0, kMaxOffset));
  ++page.limit;
  return page;
}

Json list_object(Json data, const store::Page& page) {
  const auto limit = static_cast<std::size_t>(page.limit - 1);
  const bool has_more = data.size() > limit;
  while (data.size() > limit) data.erase(data.size() - 1);
  return {{"object", "list"}, {"data", std::move(data)}, {"has_more", has_more}};
}

Handler result_handler(std::function<Result<HttpResponse>(const HttpRequest&)> handler) {
  return [handler = std::move(handler)](const HttpRequest& request) {
    Result<HttpResponse> response = handler(request);
    return response ? *std::move(response) : HttpResponse::error(response.error());
  };
}

Parameter user_in_path() {
  return {ParameterPlace::kPath, "id", "The application's own name of the user, percent-encoded.",
          true};
}

Parameter user_in_query() {
  return {ParameterPlace::kQuery, "user",
          "The application's own name of the user. A key that is bound to a user needs none."};
}

Parameter app_header() {
  return {ParameterPlace::kHeader, "x-rapport-app",
          "Admin keys only: the application whose users are meant, instead of the key's own."};
}

Parameter limit_parameter() {
  return {
      ParameterPlace::kQuery,
      "limit",
      "At most so many entries.",
      false,
      {{"type", "integer"}, {"minimum", 1}, {"maximum", kMaxLimit}, {"default", kDefaultLimit}}};
}

Parameter offset_parameter() {
  return {ParameterPlace::kQuery,
          "offset",
          "So many entries are skipped.",
          false,
          {{"type", "integer"}, {"minimum", 0}, {"maximum", kMaxOffset}, {"default", 0}}};
}

Parameter id_in_path(std::string name, std::string description) {
  return {ParameterPlace::kPath, std::move(name), std::move(description), true};
}

}  // namespace rapport::server
