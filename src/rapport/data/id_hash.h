// The order in which users and items are numbered: by a hash of their id, which no source's order
// can shine through.
#pragma once

#include <cstdint>
#include <string_view>

namespace rapport::data {

/// The same on every machine and in every version: data sets on disk are numbered by it. FNV-1a,
/// then SplitMix64's finalizer, since FNV's high bits alone follow short ids too closely.
constexpr std::uint64_t id_hash(std::string_view id) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : id) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

/// By hash; where two hashes are equal, by the ids themselves.
constexpr bool comes_before(std::string_view a, std::string_view b) {
  const std::uint64_t hash_a = id_hash(a);
  const std::uint64_t hash_b = id_hash(b);
  return hash_a != hash_b ? hash_a < hash_b : a < b;
}

}  // namespace rapport::data
