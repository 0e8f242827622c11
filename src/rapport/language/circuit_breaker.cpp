#include "rapport/language/circuit_breaker.h"

namespace rapport::language {

std::optional<std::chrono::seconds> CircuitBreaker::refusal() {
  const std::lock_guard lock(mutex_);
  if (!open_until_) return std::nullopt;
  const auto now = clock_.steady();
  if (now < *open_until_) return std::chrono::ceil<std::chrono::seconds>(*open_until_ - now);
  if (probing_) return std::chrono::seconds{1};
  probing_ = true;
  return std::nullopt;
}

void CircuitBreaker::succeeded() {
  const std::lock_guard lock(mutex_);
  failures_ = 0;
  open_until_.reset();
  probing_ = false;
}

bool CircuitBreaker::failed() {
  const std::lock_guard lock(mutex_);
  ++failures_;
  probing_ = false;
  if (failures_to_open_ == 0 || failures_ < failures_to_open_) return false;
  open_until_ = clock_.steady() + open_for_;
  return true;
}

void CircuitBreaker::abandoned() {
  const std::lock_guard lock(mutex_);
  probing_ = false;
}

}  // namespace rapport::language
