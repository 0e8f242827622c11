#include "rapport/store/encrypting_codec.h"

#include <fmt/format.h>

namespace rapport::store {
namespace {

constexpr char kVersion = 1;

std::string context_of(const FieldPlace& place) {
  return joined({"text", place.user, place.table, place.row, place.column});
}

tl::unexpected<Error> unreadable(const FieldPlace& place, std::string_view why) {
  return fail(
      ErrorCode::kCorrupt,
      fmt::format("{}.{} of {} cannot be read: {}; put a backup back with `rapport restore`",
                  place.table, place.column, place.row, why));
}

}  // namespace

Result<std::string> EncryptingCodec::seal(const FieldPlace& place, std::string_view text) const {
  TRY(const SecretKey key, keys_.to_seal(place.user));
  std::string box = seal_box(key, text, context_of(place), random_);
  box.insert(box.begin(), kVersion);
  return box;
}

Result<std::string> EncryptingCodec::open(const FieldPlace& place, std::string_view sealed) const {
  if (sealed.empty() || sealed.front() != kVersion) {
    return unreadable(place, "it is not what Rapport seals");
  }
  const std::string_view box = sealed.substr(1);
  auto key = keys_.to_open(place.user);
  if (key) {
    if (auto text = open_box(*key, box, context_of(place))) return *std::move(text);
    // The key in memory may be one that another process has destroyed since, and made anew.
    key = keys_.read_anew(place.user);
  }
  if (!key && key.error().code == ErrorCode::kNotFound) {
    return unreadable(place, "its user was erased, or keys/users.db is an old one");
  }
  if (!key) return fail(key.error());
  if (auto text = open_box(*key, box, context_of(place))) return *std::move(text);
  return unreadable(place, "it was changed, or moved from another place or user");
}

Result<void> EncryptingCodec::begin_writing() const {
  TRY_VOID(keys_.refresh());
  return {};
}

}  // namespace rapport::store
