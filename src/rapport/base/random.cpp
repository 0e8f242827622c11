#include "rapport/base/random.h"

#include <sodium.h>

#include <array>
#include <cstdlib>

namespace rapport::base {
namespace {

/// Crockford's base 32 in lower case: no i, l, o or u, which people misread or take amiss.
constexpr std::string_view kBase32 = "0123456789abcdefghjkmnpqrstvwxyz";
static_assert(kBase32.size() == 32);

constexpr std::size_t kIdCharacters = 26;

std::uint64_t little_endian(std::span<const std::uint8_t, 8> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
  return value;
}

}  // namespace

std::uint64_t Random::next() {
  std::array<std::uint8_t, 8> bytes{};
  fill(bytes);
  return little_endian(bytes);
}

double Random::uniform() {
  // 53 bits are what a double between 0 and 1 can hold evenly spaced.
  return static_cast<double>(next() >> 11) * 0x1p-53;
}

std::string Random::id(std::string_view prefix) {
  std::array<std::uint8_t, (kIdCharacters * 5 + 7) / 8> bytes{};
  fill(bytes);
  std::string result(prefix);
  result.reserve(prefix.size() + kIdCharacters);
  std::size_t next_byte = 0;
  unsigned bits = 0, held = 0;
  for (std::size_t i = 0; i < kIdCharacters; ++i) {
    if (held < 5) {
      bits |= static_cast<unsigned>(bytes[next_byte++]) << held;
      held += 8;
    }
    result += kBase32[bits & 31];
    bits >>= 5;
    held -= 5;
  }
  return result;
}

void SystemRandom::fill(std::span<std::uint8_t> bytes) {
  // sodium_init is idempotent and thread-safe; it fails only where the system has no randomness at
  // all, and nothing we could do instead would be safe.
  static const bool ready = sodium_init() >= 0;
  if (!ready) std::abort();
  randombytes_buf(bytes.data(), bytes.size());
}

void SeededRandom::fill(std::span<std::uint8_t> bytes) {
  const std::scoped_lock lock(mutex_);
  for (std::size_t start = 0; start < bytes.size(); start += 8) {
    const std::uint64_t z = generator_.next();
    for (std::size_t i = 0; i < 8 && start + i < bytes.size(); ++i)
      bytes[start + i] = static_cast<std::uint8_t>(z >> (8 * i));
  }
}

}  // namespace rapport::base
