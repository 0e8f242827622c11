#include "rapport/server/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "rapport/base/text.h"

namespace rapport::server {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](char c) { return lower(c); });
  return result;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

/// Two of them would let a proxy and us read different ones.
bool must_be_single(std::string_view field) {
  static constexpr std::array<std::string_view, 9> kSingle = {
      "host",   "authorization", "x-api-key",         "content-length", "content-type",
      "origin", "x-request-id",  "transfer-encoding", "expect"};
  return std::ranges::find(kSingle, field) != kSingle.end() || field.starts_with("x-rapport-");
}

HttpResponse refuse(int status, std::string message, std::string param = {}) {
  return HttpResponse::error({.code = ErrorCode::kInvalidArgument,
                              .message = std::move(message),
                              .param = std::move(param),
                              .reason = {},
                              .retry_after = {}},
                             status);
}

std::optional<HttpResponse> framing_fault(const HttpRequest& request, bool http_1_1) {
  const std::string_view transfer = request.header("transfer-encoding");
  if (request.headers.contains("transfer-encoding")) {
    if (!http_1_1)
      return refuse(400, "HTTP/1.0 has no Transfer-Encoding: send Content-Length",
                    "transfer-encoding");
    if (lower(transfer) != "chunked")
      return refuse(501, "the only Transfer-Encoding served is \"chunked\"", "transfer-encoding");
    if (request.headers.contains("content-length"))
      return refuse(400, "both Transfer-Encoding and Content-Length were sent: send one",
                    "content-length");
  }
  const std::string_view encoding = request.header("content-encoding");
  if (!encoding.empty() && lower(encoding) != "identity")
    return refuse(415, "request bodies are read uncompressed only: send no Content-Encoding",
                  "content-encoding");
  const std::string_view expect = request.header("expect");
  if (!expect.empty() && lower(expect) != "100-continue")
    return refuse(417, "the only expectation served is \"100-continue\"", "expect");
  return std::nullopt;
}

std::optional<HttpResponse> read_fields(const RawHead& head, HttpRequest& request) {
  std::optional<HttpResponse> fault;
  for (const auto& [name, value] : head.fields) {
    auto [place, is_new] = request.headers.try_emplace(lower(name), value);
    if (is_new) continue;
    if (must_be_single(place->first) && !fault)
      fault = refuse(400, fmt::format("header {} was sent twice: send it once", place->first),
                     place->first);
    place->second += ", ";
    place->second += value;
  }
  return fault;
}

/// "/path?query", or the same after "http://host" as to a proxy, or "*" of OPTIONS.
std::optional<HttpResponse> read_target(std::string_view target, HttpRequest& request) {
  if (target.starts_with("http://") || target.starts_with("https://")) {
    const std::size_t path = target.find_first_of("/?", target.find("://") + 3);
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  if (!target.starts_with('/') && !(target == "*" && request.method == "OPTIONS"))
    return refuse(400, "the request target must begin with \"/\"");
  const std::size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark == std::string_view::npos) return std::nullopt;
  auto query = parse_query(target.substr(mark + 1));
  if (!query) return HttpResponse::error(query.error());
  request.query = *std::move(query);
  return std::nullopt;
}

}  // namespace

ParsedHead parse_head(const RawHead& head) {
  ParsedHead parsed;
  HttpRequest& request = parsed.request;
  request.method = head.method;
  parsed.refusal = read_fields(head, request);
  if (!parsed.refusal && head.http_1_1 && request.header("host").empty())
    parsed.refusal = refuse(400, "the Host header is missing", "host");
  if (!parsed.refusal) parsed.refusal = framing_fault(request, head.http_1_1);
  if (!parsed.refusal) parsed.refusal = read_target(head.target, request);
  parsed.expects_continue = head.http_1_1 && request.headers.contains("expect");
  return parsed;
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("the URL has a broken escape at \"{}\": write % as %25",
                                text.substr(i, 3)));
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (is_control(c))
      return fail(ErrorCode::kInvalidArgument, "the URL holds a control character: leave it out");
    decoded += c;
  }
  if (!base::is_utf8(decoded))
    return fail(ErrorCode::kInvalidArgument, "the URL is not UTF-8: encode it as UTF-8");
  return decoded;
}

std::string percent_encode(std::string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

Result<std::map<std::string, std::string>> parse_query(std::string_view query) {
  std::map<std::string, std::string> values;
  std::size_t begin = 0;
  while (begin < query.size()) {
    const std::size_t end = std::min(query.find('&', begin), query.size());
    const std::size_t equals = std::min(query.find('=', begin), end);
    TRY(std::string key, percent_decode(query.substr(begin, equals - begin), true));
    const std::size_t value_at = std::min(equals + 1, end);
    TRY(std::string value, percent_decode(query.substr(value_at, end - value_at), true));
    if (!key.empty()) values.emplace(std::move(key), std::move(value));
    begin = end + 1;
  }
  return values;
}

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::ranges::all_of(text, [](char c) { return is_unreserved(c) && c != '~'; });
}

std::string response_head(const HttpResponse& response, const HeadOptions& options) {
  std::string head;
  head.reserve(256);
  fmt::format_to(std::back_inserter(head), "HTTP/1.{} {} {}\r\n", options.http_1_1 ? 1 : 0,
                 response.status, reason_phrase(response.status));
  const auto add = [&head](std::string_view name, std::string_view value) {
    head += name;
    head += ": ";
    for (const char c : value) head += is_control(c) ? ' ' : c;
    head += "\r\n";
  };
  for (const auto& [name, value] : response.headers) add(name, value);
  if (!options.request_id.empty()) add("x-request-id", options.request_id);
  add("x-content-type-options", "nosniff");
  if (!options.date.empty()) add("date", options.date);
  switch (options.framing) {
    case Framing::kLength:
      // 204 has no body and must not say how long it is.
      if (response.status != 204) add("content-length", std::to_string(options.length));
      break;
    case Framing::kChunked: add("transfer-encoding", "chunked"); break;
    case Framing::kUntilClose: break;
  }
  if (!options.keep_alive) {
    add("connection", "close");
  } else if (!options.http_1_1) {
    add("connection", "keep-alive");
  }
  head += "\r\n";
  return head;
}

std::string chunk(std::string_view bytes) {
  if (bytes.empty()) return {};
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

std::string http_date(std::int64_t unix_seconds) {
  const auto time = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  // Not strftime's names of days and months: they follow the locale.
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                     kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace rapport::server
