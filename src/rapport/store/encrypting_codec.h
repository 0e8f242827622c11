// Personal text at rest: each text sealed with its user's own key, bound to its place.
//
//   auto codec = std::make_shared<EncryptingCodec>(user_keys, random);
//   SqliteStore::open(options, codec, clock, random);
//
// A sealed text is a version byte (1), a nonce of 24 bytes and the ciphertext with its tag of 16
// (XChaCha20-Poly1305). User, table, row and column are authenticated with it: a row moved to
// another place, or of another user, does not open.
#pragma once

#include "rapport/base/random.h"
#include "rapport/store/personal_text.h"
#include "rapport/store/user_keys.h"

namespace rapport::store {

/// Thread-safe. `keys` and `random` must outlive it.
class EncryptingCodec final : public PersonalTextCodec {
 public:
  EncryptingCodec(UserKeys& keys, base::Random& random) : keys_(keys), random_(random) {}

  /// Makes the user's key where there is none. Errors: kUnavailable while the user is erased.
  Result<std::string> seal(const FieldPlace& place, std::string_view text) const override;
  /// Errors: kCorrupt, naming the place, also where the user's key is gone.
  Result<std::string> open(const FieldPlace& place, std::string_view sealed) const override;
  /// Drops the keys that another process destroyed.
  Result<void> begin_writing() const override;

 private:
  UserKeys& keys_;
  base::Random& random_;
};

}  // namespace rapport::store
