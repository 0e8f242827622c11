// Whose key is this? Keys are "rk_…" secrets of which only a digest is kept.
//
//   Authentication door({.loopback = true}, store, clock);
//   std::optional<Result<Principal>> known = door.recall(secret);      // memory only: I/O threads
//   Result<Principal> principal = known ? *known : door.look_up(secret);  // disk: workers
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/server/http.h"
#include "rapport/store/key_ring.h"
#include "rapport/store/store.h"

namespace rapport::server {

struct AuthenticationOptions {
  bool loopback = true;                         // listening there only
  bool require_keys = false;                    // there too
  std::chrono::milliseconds cache_time{5'000};  // how long a key revoked elsewhere still works
};

/// Without keys (loopback, none required, none in the store) everybody is the admin of app
/// "default", and tokens that are not ours ("sk-…", which SDKs insist on) are ignored. As soon as
/// one key exists, keys are asked for. Thread-safe.
class Authentication {
 public:
  Authentication(AuthenticationOptions options, store::Store& store, const base::Clock& clock);

  /// What is known in memory of this secret ("" for none); nullopt: ask `look_up`. Never waits.
  /// Errors: kUnauthenticated, with what to do.
  std::optional<Result<Principal>> recall(std::string_view secret);
  /// The same from the store; waits for disk.
  Result<Principal> look_up(std::string_view secret);
  /// After keys were created or revoked here: nothing remembered counts any more.
  void forget_all();

 private:
  struct Known {
    Principal principal;
    std::chrono::steady_clock::time_point until;
  };
  std::optional<Result<Principal>> recall_locked(std::string_view secret);
  bool may_be_open() const { return options_.loopback && !options_.require_keys; }

  const AuthenticationOptions options_;
  store::Store& store_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // by digest
  bool open_ = false;
  std::chrono::steady_clock::time_point open_until_;  // `open_` is fresh before it
  std::uint64_t generation_ = 0;                      // of forget_all
};

/// The secret of "Authorization: Bearer …" or "x-api-key"; "" without either.
std::string presented_secret(const HttpRequest& request);

struct CreatedKey {
  store::ApiKey key;
  std::string secret;  // "rk_…", shown once
};
/// Makes a key and stores its digest. A key of role user is bound to `user`; others must not be.
/// Errors: kInvalidArgument with param "label", "app", "role" or "user".
Result<CreatedKey> create_key(store::Store& store, const store::KeyRing& keys, base::Random& random,
                              const base::Clock& clock, const std::string& label,
                              const std::string& app, store::KeyRole role, const std::string& user);

}  // namespace rapport::server
