// The keys of one home folder, and the names that are made with them.
//
//   TRY(const KeyRing keys, KeyRing::open(home + "/keys", random, master_key_sources()));
//   keys.pseudonym("default", "sam");   // "u_4k2…": the user's only name outside the users table
//
// keyring.json holds two keys, sealed under the master key: one that pseudonyms are made with, and
// the home key, which wraps each user's own key (user_keys.h). Whoever has the database without the
// key folder can neither read a text nor tell which user a row belongs to, even by trying names.
// Whoever loses the key folder or the master key can read nothing any more.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rapport/base/random.h"
#include "rapport/base/result.h"
#include "rapport/store/master_key.h"

namespace rapport::store {

/// A value, cheap to copy; its methods are thread-safe. The keys lie in locked memory and are
/// overwritten when the last copy goes.
class KeyRing {
 public:
  /// Reads `folder`/keyring.json. Where there is none, makes the folder (mode 0700), a master key
  /// (the one given, else a key file) and the ring; of two processes that do so at once both get
  /// the same. A pseudonym.key of a Rapport before keyring.json is taken over and removed. Holds
  /// the folder against `rewrap` as long as it lives. Errors: those of find_master_key and
  /// read_keyring; kInvalidArgument where both a key and a passphrase are given for a new ring;
  /// kCorrupt where users.db is there and keyring.json is not; kIo.
  static Result<KeyRing> open(const std::filesystem::path& folder, base::Random& random,
                              const MasterKeySources& sources = {});

  /// "u_" + 26 base-32 characters (130 bits of a keyed BLAKE2b). The same app and name give the
  /// same pseudonym, byte for byte; other apps' users of the same name another.
  std::string pseudonym(std::string_view app, std::string_view name) const;
  /// The name of this user towards a remote model, "user_" + 26 base-32 characters: it cannot be
  /// traced to the pseudonym without the key.
  std::string upstream_pseudonym(std::string_view user) const;
  /// For SqliteOptions::index_key: 64 characters.
  std::string index_key() const;

  /// Wraps every user's key.
  const SecretKey& home_key() const;
  /// Set while a `rotate_home_key` is not finished: some keys may be under this one.
  const std::optional<SecretKey>& previous_home_key() const;

  /// Seals the ring under another master key, of the source that it has or of `to`; online: a
  /// running server keeps the keys in memory. What was the key file is removed, unless it lies
  /// elsewhere. Returns the source in effect.
  static Result<MasterKeySource> rotate_master_key(const std::filesystem::path& folder,
                                                   base::Random& random,
                                                   const MasterKeySources& sources,
                                                   std::optional<MasterKeySource> to);

  /// The same, and a new home key too: `wrap_anew` opens the users' keys with a ring that has both
  /// home keys, and wraps those under the old one anew. Killed at any moment, the next opening of
  /// the home finishes it. Errors: kUnavailable while anybody has the home open.
  static Result<MasterKeySource> rotate_home_key(
      const std::filesystem::path& folder, base::Random& random, const MasterKeySources& sources,
      std::optional<MasterKeySource> to,
      const std::function<Result<void>(const KeyRing& both)>& wrap_anew);

  /// Drops the previous home key, once no user's key is under it. Idempotent.
  static Result<void> forget_previous_home_key(const std::filesystem::path& folder,
                                               base::Random& random,
                                               const MasterKeySources& sources);

 private:
  struct Held;
  explicit KeyRing(std::shared_ptr<const Held> held) : held_(std::move(held)) {}

  std::shared_ptr<const Held> held_;
};

}  // namespace rapport::store
