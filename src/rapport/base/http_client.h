// HTTP out: one thread drives all transfers (libcurl multi), with connection reuse, bounds and
// cancellation.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::base {

struct OutgoingRequest {
  std::string method = "POST";
  std::string url;  // http or https only
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds first_byte_timeout{
      60'000};                                     // from sending to the first byte of the body
  std::chrono::milliseconds idle_timeout{60'000};  // between two bytes
  std::chrono::milliseconds total_timeout{600'000};
  std::size_t max_response_bytes = 64u << 20;
  std::stop_token stop_token;
};

struct IncomingHead {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
};

/// All on the client's thread, in order; must not block. `on_done` exactly once, last.
struct TransferCallbacks {
  std::function<void(const IncomingHead&)> on_head;
  std::function<void(std::string_view)> on_body;  // pieces as they come
  /// Errors: kTimeout, kUpstream (connection refused, reset, TLS, too large), kCancelled.
  std::function<void(Result<void>)> on_done;
};

class HttpClient {
 public:
  HttpClient();
  ~HttpClient();  // cancels what runs
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

/// Waits for the whole answer; for tests and commands.
struct IncomingResponse {
  IncomingHead head;
  std::string body;
};
Result<IncomingResponse> fetch(HttpClient& client, OutgoingRequest request);

}  // namespace rapport::base
