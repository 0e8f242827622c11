// All that is durable of one home folder, opened together.
//
//   TRY(auto home, HomeStore::open(folder, {.sources = master_key_sources()}, clock, random));
//   home.keys.pseudonym("default", "sam");   home.store->user(…);
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/store/key_ring.h"
#include "rapport/store/store.h"
#include "rapport/store/user_keys.h"

namespace rapport::store {

struct HomeOptions {
  std::string synchronous = "normal";  // SqliteOptions::synchronous
  MasterKeySources sources = {};       // of the master key
};

/// In the order they need each other: the store goes before the keys.
struct HomeStore {
  KeyRing keys;
  std::unique_ptr<UserKeys> user_keys;
  std::unique_ptr<Store> store;

  /// Makes `home` (mode 0700) when missing. Brings the schema up to date, encrypts what a Rapport
  /// before encryption kept in plain text, and finishes a rotation that was killed. `clock` and
  /// `random` must outlive it. Errors: those of KeyRing, UserKeys and SqliteStore.
  static Result<HomeStore> open(const std::filesystem::path& home, const HomeOptions& options,
                                const base::Clock& clock, base::Random& random);
};

/// The database of a home and what a restore left of the one before it.
std::filesystem::path database_of(const std::filesystem::path& home);
std::filesystem::path former_database_of(const std::filesystem::path& home);
/// Its keys.
std::filesystem::path keys_of(const std::filesystem::path& home);
std::filesystem::path user_keys_of(const std::filesystem::path& home);

/// Removes what names the user from the database that a restore left, or the whole of it where that
/// cannot be done: a damaged one, or one of a restore that was killed. Returns how many rows, or
/// files, went.
Result<std::int64_t> erase_from_former_database(const std::filesystem::path& home,
                                                const UserId& user);
/// How many rows there name the user.
Result<std::int64_t> rows_in_former_database(const std::filesystem::path& home, const UserId& user);

/// Seals the database that a restore left in plain text beside the one in use. A damaged one stays
/// as it is, with a warning in the log.
void seal_former_database(const std::filesystem::path& home, const KeyRing& keys,
                          UserKeys& user_keys, const base::Clock& clock, base::Random& random);

}  // namespace rapport::store
