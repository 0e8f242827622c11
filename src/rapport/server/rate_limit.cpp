#include "rapport/server/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace rapport::server {
namespace {

// A bucket is some 100 bytes, so that an attacker with many addresses costs 1 MB, not all memory.
constexpr std::size_t kForgetAt = 10'000;

}  // namespace

RateLimit::RateLimit(double per_minute, double burst, const base::Clock& clock)
    : per_second_(per_minute / 60), burst_(burst), clock_(clock), forget_at_(kForgetAt) {}

std::optional<std::chrono::seconds> RateLimit::refuse(const std::string& who) {
  if (per_second_ <= 0) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto now = clock_.steady();
  if (buckets_.size() >= forget_at_) forget_full_buckets(now);
  const auto [place, is_new] = buckets_.try_emplace(who, Bucket{burst_, now});
  Bucket& bucket = place->second;
  bucket.tokens = refilled(bucket, now);
  bucket.filled = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return std::nullopt;
  }
  const double wait = std::ceil((1 - bucket.tokens) / per_second_);
  return std::chrono::seconds(std::max<std::int64_t>(1, static_cast<std::int64_t>(wait)));
}

double RateLimit::refilled(const Bucket& bucket, std::chrono::steady_clock::time_point now) const {
  const double seconds = std::chrono::duration<double>(now - bucket.filled).count();
  return std::min(burst_, bucket.tokens + seconds * per_second_);
}

void RateLimit::forget_full_buckets(std::chrono::steady_clock::time_point now) {
  std::erase_if(buckets_, [&](const auto& entry) { return refilled(entry.second, now) >= burst_; });
  // When all are in use the next sweep waits until there are twice as many: sweeps stay rare.
  forget_at_ = std::max(kForgetAt, buckets_.size() * 2);
}

}  // namespace rapport::server
