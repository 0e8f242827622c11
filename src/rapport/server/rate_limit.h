// A token bucket for each key (or address): `burst` requests at once, then `per_minute`.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "rapport/base/clock.h"

namespace rapport::server {

/// Thread-safe.
class RateLimit {
 public:
  /// `per_minute` 0 never refuses.
  RateLimit(double per_minute, double burst, const base::Clock& clock);

  /// Takes one request of `who`; otherwise says after how many whole seconds one will be there.
  std::optional<std::chrono::seconds> refuse(const std::string& who);

 private:
  struct Bucket {
    double tokens = 0;
    std::chrono::steady_clock::time_point filled;
  };
  void forget_full_buckets(std::chrono::steady_clock::time_point now);
  double refilled(const Bucket& bucket, std::chrono::steady_clock::time_point now) const;

  const double per_second_;
  const double burst_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;
  std::size_t forget_at_;
};

}  // namespace rapport::server
