// The parts of HTTP/1 that Beast leaves to us, as pure functions: what a head must and must not
// say, targets, chunk framing, response heads.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rapport/server/http.h"

namespace rapport::server {

/// A request head as the parser saw it; views live as long as its buffer.
struct RawHead {
  std::string_view method;
  std::string_view target;
  bool http_1_1 = true;
  std::vector<std::pair<std::string_view, std::string_view>> fields;
};

/// A request without its body, or the response that refuses it: bodies that two parsers could
/// frame differently (anything but one Content-Length or one plain `chunked`), a missing or second
/// Host, headers that decide who asks sent twice, encodings and expectations we do not serve.
struct ParsedHead {
  std::optional<HttpResponse> refusal;
  HttpRequest request;  // headers also when refused
  bool expects_continue = false;
};
ParsedHead parse_head(const RawHead& head);

/// %41 → A. Errors: kInvalidArgument for a broken escape, for control characters, for what is not
/// UTF-8.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
/// All but letters, digits and -._~ as %XX.
std::string percent_encode(std::string_view text);
/// "a=1&b=%20" → {a: 1, b: " "}; the first of a repeated name counts.
Result<std::map<std::string, std::string>> parse_query(std::string_view query);

/// The client's own request id when it is 1 to 128 of [A-Za-z0-9._-].
bool is_request_id(std::string_view text);

enum class Framing { kLength, kChunked, kUntilClose };
struct HeadOptions {
  Framing framing = Framing::kLength;
  std::size_t length = 0;  // of kLength
  bool http_1_1 = true;
  bool keep_alive = true;
  std::string_view request_id = {};
  std::string_view date = {};  // RFC 9110 form; "" leaves it out
};
/// Status line and headers up to the empty line. Control characters in values become spaces, so
/// that nothing we echo can start a header of its own.
std::string response_head(const HttpResponse& response, const HeadOptions& options);

/// `bytes` as one chunk; "" stays "", since an empty chunk would end the body.
std::string chunk(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(std::int64_t unix_seconds);

}  // namespace rapport::server
