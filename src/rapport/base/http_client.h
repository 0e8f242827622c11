// HTTP out: one thread drives all transfers (libcurl multi), with connection reuse, bounds and
// cancellation.
//
//   HttpClient client;
//   client.start({.method = "GET", .url = "http://127.0.0.1:8080/v1/models"},
//                {.on_body = [&](std::string_view piece) { … }, .on_done = [&](Result<void>) { …
//                }});
//
// No redirect is followed and no proxy used, whatever the environment says: where personal text
// goes is the caller's to say. Certificates are verified against the system's. Only the caller's
// headers are sent, beside Host, Accept, User-Agent and Content-Length. A request on a kept
// connection that turns out dead before a byte came back is sent once more on a fresh one; nothing
// else is retried.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::base {

struct OutgoingRequest {
  std::string method = "POST";
  std::string url = {};  // http or https only
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds first_byte_timeout{
      60'000};                                     // from sending to the first byte of the body
  std::chrono::milliseconds idle_timeout{60'000};  // between two bytes
  std::chrono::milliseconds total_timeout{600'000};
  std::size_t max_response_bytes = 64u << 20;
  std::stop_token stop_token = {};
};

struct IncomingHead {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers = {};  // names in lower case
};

/// All on the client's thread, in order; must not block or throw, and may call `start` and `after`.
/// `on_done` exactly once, last. Any of them may be empty.
struct TransferCallbacks {
  std::function<void(const IncomingHead&)> on_head = {};
  std::function<void(std::string_view)> on_body = {};  // pieces as they come
  /// Ok for an answer that came whole, whatever its status. Errors: kTimeout, kUpstream (connection
  /// refused, reset, broken off, TLS, too large), kCancelled, kInvalidArgument (the request
  /// itself). Their texts show the URL without credentials and query.
  std::function<void(Result<void>)> on_done = {};
};

class HttpClient {
 public:
  HttpClient();
  /// Cancels what runs (each `on_done` is called), drops what waits in `after`. Not from a
  /// callback.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Returns at once. Thread-safe.
  void start(OutgoingRequest request, TransferCallbacks callbacks);
  /// Runs `task` on the client's thread after `delay` (retries with back-off). Thread-safe.
  void after(std::chrono::milliseconds delay, std::function<void()> task);

 private:
  struct Loop;
  std::unique_ptr<Loop> loop_;
};

/// Waits for the whole answer; for tests and commands. Not from a callback.
struct IncomingResponse {
  IncomingHead head;
  std::string body;
};
Result<IncomingResponse> fetch(HttpClient& client, OutgoingRequest request);

}  // namespace rapport::base
