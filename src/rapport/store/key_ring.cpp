#include "rapport/store/key_ring.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/store/private_files.h"

namespace rapport::store {
namespace {

constexpr std::size_t kKeyBytes = 32;

/// Each part behind its length, so that no two lists of parts give the same bytes.
std::string joined(std::initializer_list<std::string_view> parts) {
  std::string bytes;
  for (const std::string_view part : parts) bytes += fmt::format("{}:{}", part.size(), part);
  return bytes;
}

/// The first 130 bits of a hexadecimal digest as 26 characters.
std::string base32_of(std::string_view hexadecimal) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::string characters;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char digit : hexadecimal) {
    const int value = digit <= '9' ? digit - '0' : digit - 'a' + 10;
    bits = (bits << 4 | static_cast<std::uint32_t>(value)) & 0xfff;
    held += 4;
    if (held < 5) continue;
    held -= 5;
    characters += kAlphabet[(bits >> held) & 31];
    if (characters.size() == 26) break;
  }
  return characters;
}

Result<void> create_key(const std::filesystem::path& path, base::Random& random) {
  std::array<std::uint8_t, kKeyBytes> key;
  random.fill(key);
  const std::string aside = path.string() + random.id(".new_");
  TRY_VOID(base::write_file_atomically(
      aside, {reinterpret_cast<const char*>(key.data()), key.size()}, 0600));
  const Result<void> published = publish_file(aside, path.string());
  // Another process was first: its key is the one to use.
  if (!published && published.error().code != ErrorCode::kConflict) return published;
  return {};
}

Result<std::string> read_key(const std::filesystem::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    return fail(ErrorCode::kIo, fmt::format("cannot read {}: {}; check the owner of its folder",
                                            path.string(), std::strerror(errno)));
  }
  if ((status.st_mode & 077) != 0) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("{} may be read by other users of this machine (mode {:04o}): run "
                            "`chmod 600 {}`",
                            path.string(), status.st_mode & 07777, path.string()));
  }
  Result<std::string> key = base::read_file(path, 4096);
  if (key && key->size() != kKeyBytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} has {} bytes, a key has {}: put back the copy you keep of it; "
                            "without it no stored user can be found again",
                            path.string(), key->size(), kKeyBytes));
  }
  return key;
}

}  // namespace

Result<KeyRing> KeyRing::open(const std::filesystem::path& folder, base::Random& random) {
  const std::filesystem::path path = folder / "pseudonym.key";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    TRY_VOID(base::ensure_directory(folder, 0700));
    TRY_VOID(create_key(path, random));
  }
  TRY(std::string key, read_key(path));
  return KeyRing(std::move(key));
}

std::string KeyRing::pseudonym(std::string_view app, std::string_view name) const {
  return "u_" + base32_of(base::digest(joined({"pseudonym", app, name}), key_));
}

std::string KeyRing::upstream_pseudonym(std::string_view user) const {
  return "user_" + base32_of(base::digest(joined({"upstream", user}), key_));
}

std::string KeyRing::index_key() const {
  return base::digest(joined({"index"}), key_);
}

}  // namespace rapport::store
