// Chance, injected so that tests own it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>

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

/// The generator by itself, without a lock and a virtual call: for inner loops that draw millions
/// of numbers, on one thread. The same for the same seed, on every platform (Steele, Lea, Flood
/// 2014).
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

/// Uniform in [0, bound), of 32 random bits.
inline std::size_t below(std::uint32_t bits, std::size_t bound) {
  return static_cast<std::size_t>((static_cast<std::uint64_t>(bits) * bound) >> 32);
}

/// In an order of equal chances (fewer than 2^32 values).
template <typename T>
void shuffle(std::span<T> values, SplitMix64& random) {
  for (std::size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[below(static_cast<std::uint32_t>(random.next() >> 32), i)]);
}

/// The same sequence for the same seed, on every platform (SplitMix64).
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : generator_(seed) {}
  void fill(std::span<std::uint8_t> bytes) override;

 private:
  std::mutex mutex_;
  SplitMix64 generator_;
};

}  // namespace rapport::base
