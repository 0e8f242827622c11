// The HTTP seam: handlers see these values and nothing of Beast (which stays in listener.cpp and
// session.cpp).
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
  std::string method;                          // "GET"
  std::string path;                            // decoded, without query
  std::map<std::string, std::string> query;    // decoded
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::map<std::string, std::string> path_parameters;  // {id} of the route
  std::string request_id;
  std::string peer;  // address, for logs
  Principal principal;
  std::stop_token gone;  // requested when the client went away

  std::string_view header(const std::string& lower_case_name) const {
    const auto found = headers.find(lower_case_name);
    return found == headers.end() ? std::string_view{} : std::string_view(found->second);
  }
};

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  static HttpResponse json(const Json& value, int status = 200);
  /// {"error":{"message","type","param","code"}} with the status that belongs to the error's code,
  /// and retry-after.
  static HttpResponse error(const Error& error);
  static HttpResponse text(std::string body, std::string_view content_type, int status = 200);
};

/// Where a handler's answer goes. Thread-safe; never blocks. Exactly one of: one `send`, or one
/// `begin_stream`, any number of `write`, one `end`. Dropping the last reference without an answer
/// sends a 500.
class Reply {
 public:
  virtual ~Reply() = default;
  virtual void send(HttpResponse response) = 0;
  /// Status and headers now, body in chunks later.
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
