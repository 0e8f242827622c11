// What Prometheus may know: counts and durations by route, never anything of a user.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "rapport/language/language_model.h"

namespace rapport::server {

/// Thread-safe.
class Metrics {
 public:
  explicit Metrics(const std::string& version);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// One answered request; `route` is the pattern, so that there are as many series as routes.
  void observe_request(std::string_view route, std::string_view method, int status, double seconds);
  /// From the request's arrival at its handler to the first piece of the answer.
  void observe_first_token(double seconds);
  void add_tokens(const language::Usage& usage);
  void add_connections(int change);
  void add_streams(int change);
  /// Asked at each scrape: requests that wait for a worker.
  void watch_queue(std::function<std::size_t()> queued);

  /// The exposition format, version 0.0.4.
  std::string text() const;

 private:
  struct Series;
  std::unique_ptr<Series> series_;
};

}  // namespace rapport::server
