#include "rapport/language/remote_error.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "rapport/base/log.h"
#include "rapport/base/text.h"

namespace rapport::language {
namespace {

constexpr std::size_t kMaxMessageBytes = 1'000;
constexpr std::chrono::seconds kMaxRetryAfter{24 * 3'600};

std::string text_at(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::chrono::seconds> retry_after(const base::IncomingHead& head,
                                                base::UnixMillis now) {
  const auto found =
      std::ranges::find(head.headers, "retry-after", &std::pair<std::string, std::string>::first);
  if (found == head.headers.end()) return std::nullopt;
  const std::string value(base::trim(found->second));
  std::int64_t seconds = 0;
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (failed != std::errc{} || end != value.data() + value.size()) {
    std::tm date = {};
    const char* const rest = ::strptime(value.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
    if (rest == nullptr || *rest != '\0') return std::nullopt;
    seconds = ::timegm(&date) - now / 1'000;
  }
  return std::clamp(std::chrono::seconds{seconds}, std::chrono::seconds{0}, kMaxRetryAfter);
}

ErrorCode code_of(int status) {
  switch (status) {
    case 400: return ErrorCode::kInvalidArgument;
    case 404: return ErrorCode::kNotFound;
    case 408: return ErrorCode::kTimeout;
    case 413: return ErrorCode::kTooLarge;
    case 422: return ErrorCode::kInvalidArgument;
    case 429: return ErrorCode::kRateLimited;
    case 504: return ErrorCode::kTimeout;
    default: return ErrorCode::kUpstream;
  }
}

}  // namespace

std::string upstream_message(const Json& body) {
  std::string message;
  if (body.is_object() && body.contains("error")) {
    message = body["error"].is_string() ? body["error"].get<std::string>()
                                        : text_at(body["error"], "message");
  }
  if (message.empty()) message = text_at(body, "message");
  if (message.empty()) message = text_at(body, "detail");
  return base::hide_secrets(base::truncate(message, kMaxMessageBytes));
}

Error upstream_error(const base::IncomingHead& head, std::string_view body, base::UnixMillis now) {
  if (head.status == 401 || head.status == 403) {
    return {ErrorCode::kUpstream,
            fmt::format("the upstream refused our key (HTTP {}): set language.remote.api_key",
                        head.status)};
  }
  if (head.status >= 300 && head.status < 400) {
    return {ErrorCode::kUpstream,
            fmt::format("the upstream redirects (HTTP {}): set language.remote.base_url to where "
                        "it leads",
                        head.status)};
  }
  const Json parsed = base::parse_json(body, "upstream error").value_or(Json());
  const Json& details =
      parsed.is_object() && parsed.contains("error") && parsed["error"].is_object()
          ? parsed["error"]
          : parsed;
  const std::string message = upstream_message(parsed);

  Error error;
  error.code = code_of(head.status);
  const bool of_request = error.code == ErrorCode::kInvalidArgument ||
                          error.code == ErrorCode::kNotFound || error.code == ErrorCode::kTooLarge;
  if (of_request && !message.empty()) {
    error.message = message;
  } else {
    error.message = fmt::format("the upstream answered HTTP {}{}{}", head.status,
                                message.empty() ? "" : ": ", message);
  }
  error.param = text_at(details, "param");
  error.reason = text_at(details, "code");
  error.retry_after = retry_after(head, now);
  return error;
}

bool is_worth_retrying(const base::IncomingHead& head, const Error& error) {
  if (error.reason == "insufficient_quota") return false;
  return head.status == 408 || head.status == 429 || head.status >= 500;
}

}  // namespace rapport::language
