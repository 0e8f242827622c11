#include "rapport/base/digest.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace rapport::base {
namespace {

/// libsodium takes bytes as unsigned char.
const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::string hexadecimal(std::span<const unsigned char> bytes) {
  std::string text(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
  text.pop_back();  // the terminating NUL
  return text;
}

}  // namespace

std::string digest(std::string_view data, std::string_view key) {
  static const int ready = sodium_init();  // chooses the code for this CPU
  std::array<unsigned char, 32> hash;
  const int status = crypto_generichash(hash.data(), hash.size(), raw(data), data.size(),
                                        key.empty() ? nullptr : raw(key), key.size());
  // Only a key of a forbidden length gets here. Going on would hand out a digest that anyone can
  // compute in place of a secret one, so this holds in release builds too.
  if (ready < 0 || status != 0 || (!key.empty() && key.size() < crypto_generichash_KEYBYTES_MIN))
    std::abort();
  return hexadecimal(hash);
}

Result<std::string> sha256_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             &std::fclose);
  if (!file)
    return fail(ErrorCode::kIo, fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  std::array<unsigned char, 1 << 16> piece;
  while (const std::size_t size = std::fread(piece.data(), 1, piece.size(), file.get()))
    crypto_hash_sha256_update(&state, piece.data(), size);
  if (std::ferror(file.get()) != 0)
    return fail(ErrorCode::kIo, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash;
  crypto_hash_sha256_final(&state, hash.data());
  return hexadecimal(hash);
}

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash;
  crypto_hash_sha256(hash.data(), raw(bytes), bytes.size());
  return hexadecimal(hash);
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_base64(std::string_view bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), raw(bytes), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // the terminating NUL
  return text;
}

Result<std::string> from_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  const int status =
      sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                        text.size(), nullptr, &size, &end, sodium_base64_VARIANT_ORIGINAL);
  if (status != 0 || end != text.data() + text.size()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("not base64 at byte {}: expected A–Z, a–z, 0–9, + and / in groups of "
                            "four, padded with =",
                            end == nullptr ? 0 : end - text.data()));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace rapport::base
