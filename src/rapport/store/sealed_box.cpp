#include "rapport/store/sealed_box.h"

#include <sodium.h>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <span>

namespace rapport::store {
namespace {

constexpr std::size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
static_assert(kNonceBytes + kTagBytes == kBoxOverhead);
static_assert(SecretKey::kBytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(std::string& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace

SecretKey::SecretKey(std::string_view bytes) {
  assert(bytes.size() == kBytes);
  std::copy_n(raw(bytes), std::min(bytes.size(), kBytes), bytes_.begin());
}

SecretKey SecretKey::make(base::Random& random) {
  SecretKey key;
  random.fill(key.bytes_);
  return key;
}

SecretKey::~SecretKey() {
  sodium_memzero(bytes_.data(), bytes_.size());
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string bytes;
  for (const std::string_view part : parts) {
    bytes.append(std::to_string(part.size())).append(1, ':').append(part);
  }
  return bytes;
}

std::string seal_box(const SecretKey& key, std::string_view text, std::string_view context,
                     base::Random& random) {
  std::string box(kBoxOverhead + text.size(), '\0');
  random.fill(std::span<std::uint8_t>(raw(box), kNonceBytes));
  crypto_aead_xchacha20poly1305_ietf_encrypt(raw(box) + kNonceBytes, nullptr, raw(text),
                                             text.size(), raw(context), context.size(), nullptr,
                                             raw(box), raw(key.bytes()));
  return box;
}

std::optional<std::string> open_box(const SecretKey& key, std::string_view box,
                                    std::string_view context) {
  if (box.size() < kBoxOverhead) return std::nullopt;
  std::string text(box.size() - kBoxOverhead, '\0');
  const int status = crypto_aead_xchacha20poly1305_ietf_decrypt(
      raw(text), nullptr, nullptr, raw(box) + kNonceBytes, box.size() - kNonceBytes, raw(context),
      context.size(), raw(box), raw(key.bytes()));
  if (status != 0) return std::nullopt;
  return text;
}

void wipe(std::string& secret) {
  sodium_memzero(secret.data(), secret.size());
  secret.clear();
}

}  // namespace rapport::store
