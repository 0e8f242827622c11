// Each user's own key, which seals all that is kept of them, and the log of erasures: to erase
// somebody is first of all to destroy their key.
//
//   TRY(auto keys, UserKeys::open(home + "/keys/users.db", ring, clock, random));
//   TRY(const SecretKey key, keys->to_seal(user));    // made on first use
//   TRY(const auto erasure, keys->begin_erasure(user));   // the key is gone
//
// In a file of its own and never in rapport.db, so that no backup of the database brings an erased
// user back: what it holds of them has no key. "" is nobody in particular.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/store/key_ring.h"
#include "rapport/store/sealed_box.h"
#include "rapport/store/sqlite_connection.h"
#include "rapport/store/store.h"

namespace rapport::store {

struct UserKeysOptions {
  std::size_t cached = 16'384;           // keys in locked memory, 32 bytes each; at least 1
  std::int32_t busy_timeout_ms = 5'000;  // wait for another program's lock
};

/// One erasure, from its begin to its receipt.
struct ErasureRecord {
  std::int64_t seq = 0;  // in the order they began
  std::string id = {};   // "erasure_…"
  UserId user = {};
  UnixMillis begun = 0;
  std::string receipt = {};  // the finished receipt's JSON; "" until then
  std::int64_t place = 0;    // of the receipt in the chain, from 1
};

/// Thread-safe; several processes may have the file open. A key that another process destroyed is
/// noticed at the next `refresh`.
class UserKeys {
 public:
  /// Makes the file (mode 0600) when missing, and loads the keys, as many as are cached. Keys that
  /// are still under the ring's previous home key are wrapped anew. Errors: kCorrupt (of another
  /// key ring; damaged), kInvalidArgument (another program's), kUnsupported (of a newer Rapport),
  /// kUnavailable (locked), kIo. `clock` and `random` must outlive it.
  static Result<std::unique_ptr<UserKeys>> open(const std::string& path, const KeyRing& ring,
                                                const base::Clock& clock, base::Random& random,
                                                UserKeysOptions options = {});
  ~UserKeys();
  UserKeys(const UserKeys&) = delete;
  UserKeys& operator=(const UserKeys&) = delete;

  /// The user's key, made where there is none. Durable when it returns. Errors: kUnavailable while
  /// this user is being erased.
  Result<SecretKey> to_seal(std::string_view user);
  /// The user's key. Errors: kNotFound where there is none, kCorrupt when it does not open.
  Result<SecretKey> to_open(std::string_view user);
  /// The same, read anew: another process may have made another one since.
  Result<SecretKey> read_anew(std::string_view user);
  /// How many users have a key.
  Result<std::int64_t> count();

  /// Forgets the keys that another process destroyed since the last call, and names their users.
  /// Cheap while nothing changed.
  Result<std::vector<UserId>> refresh();

  /// Destroys the user's key and notes the erasure, in one step: no key can be made of this user
  /// until it is finished. One that was begun and not finished is returned as it is.
  Result<ErasureRecord> begin_erasure(const UserId& user);
  /// `receipt_of` gets the receipt before it ("" for the first) and returns this one's JSON, in one
  /// transaction, so that they form a chain. The receipt that is there already, if any.
  Result<std::string> finish_erasure(
      std::int64_t seq,
      const std::function<Result<std::string>(const std::string& before)>& receipt_of);
  /// Those that were begun and not finished: by another process just now, or by one that was
  /// killed.
  Result<std::vector<ErasureRecord>> unfinished_erasures();
  /// All of them, in the order they began; `after` a seq.
  Result<std::vector<ErasureRecord>> erasures(std::int64_t after = 0);
  /// Errors: kNotFound.
  Result<ErasureRecord> erasure(const std::string& id);

  /// A copy of the file for a backup, consistent while it is in use.
  Result<void> copy_to(const std::string& path);

 private:
  UserKeys(std::unique_ptr<sqlite::Connection> connection, const KeyRing& ring,
           const base::Clock& clock, base::Random& random, UserKeysOptions options);

  Result<void> prepare();
  Result<void> wrap_anew();
  Result<void> load();
  Result<std::optional<SecretKey>> read(std::string_view user);
  Result<SecretKey> unwrapped(std::string_view user, std::string_view wrapped) const;
  std::string wrapped(std::string_view user, const SecretKey& key);
  Result<bool> being_erased(std::string_view user);
  std::optional<SecretKey> cached(std::string_view user);
  void cache(std::string_view user, const SecretKey& key);
  void forget(std::string_view user);
  void scrub_log();

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Place {
    std::size_t slot = 0;
    std::list<std::string>::iterator recent;
  };

  const KeyRing ring_;
  const base::Clock& clock_;
  base::Random& random_;
  const UserKeysOptions options_;

  std::mutex mutex_;
  std::unique_ptr<sqlite::Connection> connection_;
  std::int64_t data_version_ = 0;  // of the file, when it was looked at last
  std::int64_t last_erasure_ = 0;  // that is known here
  SecretKey* slots_ = nullptr;     // [cached] in locked memory
  std::vector<std::size_t> free_slots_;
  std::list<std::string> recent_;  // used last first
  std::unordered_map<std::string, Place, TextHash, std::equal_to<>> places_;
};

}  // namespace rapport::store
