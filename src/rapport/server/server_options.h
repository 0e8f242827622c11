// What an operator may set of the server; `rapport config show` prints it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rapport/base/config.h"

namespace rapport::server {

/// Times are in seconds. The bounds are for a machine of 2 cores and 2 GiB; the timeouts are those
/// of common reverse proxies.
struct ServerOptions {
  std::string listen = "127.0.0.1:8080";
  bool require_keys = false;
  std::vector<std::string> cors_origins = {};

  std::int64_t io_threads = 2;
  std::int64_t worker_threads = 4;
  std::int64_t max_queued = 1024;

  std::int64_t max_connections = 1024;
  std::int64_t max_header_bytes = 32 << 10;
  std::int64_t max_body_bytes = 8 << 20;
  std::int64_t max_stream_bytes = 1 << 20;

  double header_seconds = 10;
  double body_seconds = 60;
  double idle_seconds = 75;
  double write_seconds = 30;
  double keep_alive_seconds = 15;
  double shutdown_seconds = 20;
  double key_cache_seconds = 5;

  double rate_per_minute = 0;
  double rate_burst = 60;

  void describe(base::OptionSet& set);
};

}  // namespace rapport::server
