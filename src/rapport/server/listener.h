// Accepts connections and gives each to one of the I/O threads. The sockets are Beast's and Asio's;
// they stay in listener.cpp and session.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "rapport/base/random.h"
#include "rapport/base/thread_pool.h"
#include "rapport/server/door.h"
#include "rapport/server/metrics.h"
#include "rapport/server/server_options.h"

namespace rapport::server {

/// "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" (every address).
struct ListenAddress {
  std::string address;  // numeric
  std::uint16_t port = 0;
  bool loopback = false;
  /// "http://127.0.0.1:8080", for people to open.
  std::string url(std::uint16_t bound_port) const;
};
/// Errors: kInvalidArgument, param "server.listen".
Result<ListenAddress> parse_listen_address(const std::string& text);

/// Thread-safe.
class Listener {
 public:
  /// Listens at once. What is referred to must outlive the listener. Errors: kUnavailable when the
  /// port is taken, kPermissionDenied, kIo.
  static Result<std::unique_ptr<Listener>> open(const ListenAddress& address,
                                                const ServerOptions& options, Door& door,
                                                base::ThreadPool& workers, Metrics& metrics,
                                                base::Random& random);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::uint16_t port() const;
  /// Accepts no more, lets running requests finish for `patience`, then cuts them off. Returns when
  /// no session is left. Idempotent.
  void shutdown(std::chrono::milliseconds patience);

 private:
  struct Loop;
  struct Parts;
  explicit Listener(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace rapport::server
