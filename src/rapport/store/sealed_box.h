// Authenticated encryption (XChaCha20-Poly1305 of libsodium): what seals the key ring, each user's
// key and every personal text.
//
//   const std::string box = seal_box(key, "secret", joined({"what", "it", "is"}), random);
//   open_box(key, box, joined({"what", "it", "is"}));   // "secret"; nothing for any other key or
//                                                       // context, or when a bit was changed
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "rapport/base/random.h"

namespace rapport::store {

/// 32 bytes of a key, overwritten when they go.
class SecretKey {
 public:
  static constexpr std::size_t kBytes = 32;

  SecretKey() = default;  // zeros
  /// `bytes` must be kBytes long.
  explicit SecretKey(std::string_view bytes);
  static SecretKey make(base::Random& random);
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  ~SecretKey();

  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  unsigned char* data() { return bytes_.data(); }

 private:
  std::array<unsigned char, kBytes> bytes_{};
};

/// What a box is longer than its text: the nonce before it, the tag behind it.
inline constexpr std::size_t kBoxOverhead = 24 + 16;

/// Each part behind its length, so that no two lists of parts give the same bytes.
std::string joined(std::initializer_list<std::string_view> parts);

/// `context` is authenticated and not stored: who opens must give the same. The nonce is random,
/// 192 bits: it never repeats.
std::string seal_box(const SecretKey& key, std::string_view text, std::string_view context,
                     base::Random& random);
std::optional<std::string> open_box(const SecretKey& key, std::string_view box,
                                    std::string_view context);

/// Overwrites a secret that lies in a string.
void wipe(std::string& secret);

}  // namespace rapport::store
