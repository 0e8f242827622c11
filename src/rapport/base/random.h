// Chance, injected so that tests own it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <string_view>

namespace rapport::base {

class Random {
 public:
  virtual ~Random() = default;
  /// Fills with random bytes. Thread-safe.
  virtual void fill(std::span<std::uint8_t> bytes) = 0;

  std::uint64_t next();
  /// Uniform in [0, 1).
  double uniform();
  /// `prefix` + 26 lower-case base-32 characters (130 random bits): "resp_4k2…". Unguessable with
  /// SystemRandom.
  std::string id(std::string_view prefix);
};

/// The operating system's generator (libsodium): for ids, keys, jitter.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> bytes) override;
};

/// The same sequence for the same seed, on every platform (SplitMix64).
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> bytes) override;

 private:
  std::mutex mutex_;
  std::uint64_t state_;
};

}  // namespace rapport::base
