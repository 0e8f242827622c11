// Stops asking a server that keeps failing, so that callers hear "not now" at once instead of each
// waiting for its own timeout (Nygard, Release It!, "Circuit Breaker").
//
//   if (auto wait = breaker.refusal()) return fail(…, try again in *wait);
//   …
//   answered ? breaker.succeeded() : breaker.failed();
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>

#include "rapport/base/clock.h"

namespace rapport::language {

/// Closed until `failures_to_open` attempts in a row failed; then open for `open_for`; then one
/// attempt at a time goes through as a probe, and its end closes it or opens it again. Thread-safe.
class CircuitBreaker {
 public:
  /// `failures_to_open` 0: never opens. `clock` must outlive it.
  CircuitBreaker(std::int64_t failures_to_open, std::chrono::seconds open_for,
                 const base::Clock& clock)
      : failures_to_open_(failures_to_open), open_for_(open_for), clock_(clock) {}

  /// nullopt: go ahead, and report the end by exactly one of the three below. Otherwise the time
  /// after which trying again makes sense, at least 1 s.
  std::optional<std::chrono::seconds> refusal();

  void succeeded();
  /// True when this failure opened it.
  bool failed();
  /// Ended without saying anything of the server (the caller went away).
  void abandoned();

 private:
  const std::int64_t failures_to_open_;
  const std::chrono::seconds open_for_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::int64_t failures_ = 0;
  std::optional<std::chrono::steady_clock::time_point> open_until_;
  bool probing_ = false;
};

}  // namespace rapport::language
