// The keys of one home folder, and the names that are made with them.
//
//   TRY(const KeyRing keys, KeyRing::open(home + "/keys", random));
//   keys.pseudonym("default", "sam");   // "u_4k2…": the user's only name outside the users table
//
// Whoever has the database without the key folder cannot tell which user a row belongs to, even by
// trying names. Whoever loses the key can no longer find the rows of a user: back the folder up,
// apart from the database.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "rapport/base/random.h"
#include "rapport/base/result.h"

namespace rapport::store {

/// A value; its methods are thread-safe.
class KeyRing {
 public:
  /// Reads `folder`/pseudonym.key (32 bytes). Where there is none, makes the folder (mode 0700) and
  /// the key (mode 0600, whole or not at all; of two processes that do so at once both get the same
  /// key). Errors: kPermissionDenied when others than its owner may read or write the key,
  /// kCorrupt when it has not 32 bytes, kIo.
  static Result<KeyRing> open(const std::filesystem::path& folder, base::Random& random);

  /// "u_" + 26 base-32 characters (130 bits of a keyed BLAKE2b). The same app and name give the
  /// same pseudonym, byte for byte; other apps' users of the same name another.
  std::string pseudonym(std::string_view app, std::string_view name) const;
  /// The name of this user towards a remote model, "user_" + 26 base-32 characters: it cannot be
  /// traced to the pseudonym without the key.
  std::string upstream_pseudonym(std::string_view user) const;
  /// For SqliteOptions::index_key: 64 characters.
  std::string index_key() const;

 private:
  explicit KeyRing(std::string key) : key_(std::move(key)) {}

  std::string key_;  // 32 bytes
};

}  // namespace rapport::store
