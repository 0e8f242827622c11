// The HTTP seam: handlers see these values and nothing of Beast (which stays in listener.cpp and
// session.cpp).
//
//   Handler list = [&](const HttpRequest& request) {
//     auto jobs = store.jobs({});
//     return jobs ? HttpResponse::json(to_json(*jobs)) : HttpResponse::error(jobs.error());
//   };
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"
#include "rapport/store/store.h"

namespace rapport::server {

/// Who holds the key. On loopback without keys: the admin of app "default".
struct Principal {
  std::string key_id;  // "" without a key
  std::string app = "default";
  store::KeyRole role = store::KeyRole::kAdmin;
  std::string bound_user;  // "" when the key is not bound to one user
};

struct HttpRequest {
  std::string method = {};                        // "GET"
  std::string path = {};                          // as sent (still percent-encoded), without query
  std::map<std::string, std::string> query = {};  // decoded
  /// Names in lower case; repeated ones joined by ", ".
  std::map<std::string, std::string> headers = {};
  std::string body = {};
  std::map<std::string, std::string> path_parameters = {};  // {id} of the route, decoded
  std::string request_id = {};
  std::string peer = {};  // address, for logs and limits
  Principal principal = {};
  std::stop_token gone = {};  // requested when the client went away, or reads too slowly

  std::string_view header(const std::string& lower_case_name) const {
    const auto found = headers.find(lower_case_name);
    return found == headers.end() ? std::string_view{} : std::string_view(found->second);
  }
};

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};

  static HttpResponse json(const Json& value, int status = 200);
  /// {"error":{"message","type","param","code"}} with the status that belongs to the error's code
  /// (or `status`, for the ones that HTTP has and we have no code for), and retry-after. What went
  /// wrong inside (kInternal, kIo, kCorrupt) is logged and not told: it may name paths.
  static HttpResponse error(const Error& error, int status = 0);
  static HttpResponse text(std::string body, std::string_view content_type, int status = 200);
};

/// The HTTP status that belongs to an error's code.
int status_of(ErrorCode code);
/// {"error":{…}}: the body of an error response, or the event that ends a stream.
Json error_body(const Error& error);
/// "Not Found"; "Unknown" for a status we never send.
std::string_view reason_phrase(int status);

/// Where a handler's answer goes. Thread-safe; never blocks. Exactly one of: one `send`, or one
/// `begin_stream`, any number of `write`, one `end`. Dropping the last reference without an answer
/// sends a 500.
class Reply {
 public:
  virtual ~Reply() = default;
  /// False when it comes too late: something was answered already, or the head of a stream has
  /// left; then an error must go into the stream.
  virtual bool send(HttpResponse response) = 0;
  /// Status and headers of a body that comes in chunks. The head waits for the first `write` (or
  /// for the first keep-alive comment), so that until then `send` may still answer otherwise.
  virtual void begin_stream(HttpResponse head) = 0;
  /// False when the client is gone or so slow that more than the bound waits in memory: stop
  /// producing.
  virtual bool write(std::string chunk) = 0;
  virtual void end() = 0;
};

/// For routes that answer in one piece; runs on a worker thread, may wait for disk.
using Handler = std::function<HttpResponse(const HttpRequest&)>;
/// For routes that answer later or in a stream; starts on a worker thread and returns soon.
using StreamHandler = std::function<void(HttpRequest, std::shared_ptr<Reply>)>;

}  // namespace rapport::server
