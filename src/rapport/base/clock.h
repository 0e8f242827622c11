// Time, injected so that tests own it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace rapport::base {

/// Milliseconds since 1970-01-01 UTC: what is stored and sent.
using UnixMillis = std::int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall time. Thread-safe.
  virtual UnixMillis now() const = 0;
  /// Never goes back; for durations. Thread-safe.
  virtual std::chrono::steady_clock::time_point steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  UnixMillis now() const override;
  std::chrono::steady_clock::time_point steady() const override;
};

/// Stands still until told to move. Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(UnixMillis start = 1'700'000'000'000) : now_(start) {}
  UnixMillis now() const override { return now_; }
  std::chrono::steady_clock::time_point steady() const override;
  void advance(std::chrono::milliseconds by) { now_ += by.count(); }

 private:
  std::atomic<UnixMillis> now_;
};

/// "2026-11-23T14:53:40.123Z".
std::string iso8601(UnixMillis time);

}  // namespace rapport::base
