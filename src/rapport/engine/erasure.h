// Forgetting a user altogether, provably.
//
//   Eraser eraser(store, user_keys, data, home, clock);
//   TRY_VOID(eraser.complete());              // at each start: what a killed process began
//   TRY(const Json receipt, eraser.erase(users.id("default", "sam")));
//
// The steps, each of which may be done again: the user's key is destroyed and the erasure noted
// (one transaction in users.db); every row goes (one transaction in rapport.db), with the free
// pages and the log; files and memory; a scan proves that nothing is left; the receipt joins the
// chain.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/engine/personal_data.h"
#include "rapport/store/user_keys.h"

namespace rapport::engine {

/// What became of the user of a receipt.
struct Verification {
  /// The same name was used again after the erasure: what is there now is a new user's.
  bool came_back = false;
  std::int64_t receipts = 0;  // in the chain, all whole
};

/// Thread-safe. All arguments must outlive it.
class Eraser {
 public:
  Eraser(store::Store& store, store::UserKeys& keys, const PersonalData& data,
         std::filesystem::path home, const base::Clock& clock);

  /// The receipt: {"object": "erasure", "id", "user" (the pseudonym), "begun", "finished",
  /// "erased": {kind: count}, "shared_artefacts": [], "previous": hash of the receipt before,
  /// "hash"}. Errors: kNotFound for a user of whom nothing is kept; kUnavailable, kIo: the erasure
  /// is begun and goes on when it is asked for again, or at the next start.
  Result<Json> erase(const store::UserId& user);
  /// Finishes what was begun, and erases again whom a backup from before their erasure brought
  /// back. Returns how many that were.
  Result<std::int64_t> complete();

  /// Errors: kNotFound; kUnavailable while it is not finished.
  Result<Json> receipt(const std::string& id);
  /// That the receipt is one of ours, unchanged, its chain whole, and nothing of the user left.
  /// Errors: kNotFound (unknown), kCorrupt (changed; the chain broken; something is left).
  Result<Verification> verify(const Json& receipt);

  /// Drops what this process has in memory of the user.
  void forget(const store::UserId& user) const;

 private:
  Result<Json> finish(const store::ErasureRecord& erasure);
  Result<void> prove_gone(const store::UserId& user);
  Result<std::int64_t> check_chain();

  store::Store& store_;
  store::UserKeys& keys_;
  const PersonalData& data_;
  const std::filesystem::path home_;
  const base::Clock& clock_;
};

/// The hash that a receipt must have: of all its members but "hash".
std::string receipt_hash(Json receipt);

}  // namespace rapport::engine
