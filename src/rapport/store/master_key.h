// Where the master key comes from, which seals the key ring: a file, the environment, or a
// passphrase.
//
//   const MasterKeySources sources = master_key_sources();            // what the environment names
//   TRY(const SecretKey master, find_master_key(record, sources, keys / "master.key"));
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "rapport/base/random.h"
#include "rapport/base/result.h"
#include "rapport/store/sealed_box.h"

namespace rapport::store {

enum class MasterKeySource { kFile, kEnvironment, kPassphrase };
std::string_view name(MasterKeySource source);
Result<MasterKeySource> parse_master_key_source(std::string_view text);

/// What a process was given; "" for what it was not.
struct MasterKeySources {
  std::string file = {};             // RAPPORT_MASTER_KEY_FILE, in place of keys/master.key
  std::string environment = {};      // RAPPORT_MASTER_KEY: 64 hexadecimal digits
  std::string passphrase = {};       // RAPPORT_PASSPHRASE
  std::string new_environment = {};  // RAPPORT_NEW_MASTER_KEY: for a rotation
  std::string new_passphrase = {};   // RAPPORT_NEW_PASSPHRASE
  /// Asks on a terminal; empty where there is none.
  std::function<Result<std::string>(std::string_view question)> ask = {};
};
/// Those of the environment variables above, which are no options of the configuration.
MasterKeySources master_key_sources();

/// What keyring.json says of its master key; no secret.
struct MasterKeyRecord {
  MasterKeySource source = MasterKeySource::kFile;
  std::string check = {};        // tells a wrong key from a damaged key ring
  std::string salt = {};         // of a passphrase: 16 bytes
  std::uint64_t operations = 0;  // of Argon2id: passes over …
  std::uint64_t memory = 0;      // … so many bytes
};

/// The master key of this record. Errors: kNotFound (it was not given, with how to give it),
/// kPermissionDenied (a file that others may read; another key than the one that sealed the ring),
/// kCorrupt (not 64 hexadecimal digits), kUnavailable (no memory for Argon2id).
Result<SecretKey> find_master_key(const MasterKeyRecord& record, const MasterKeySources& sources,
                                  const std::filesystem::path& default_file);

/// A master key that is to seal the ring from now on, with what keyring.json will say of it.
struct NewMasterKey {
  SecretKey key;
  MasterKeyRecord record;
  /// Of source `file`: where it lies already, under the name + ".new" until `settle_master_key`.
  std::filesystem::path file = {};
};
/// For a first key ring (`first`: a key that was given is taken, no new one demanded) or a
/// rotation. A key file is made where there is none.
Result<NewMasterKey> make_master_key(MasterKeySource source, const MasterKeySources& sources,
                                     const std::filesystem::path& default_file, bool first,
                                     base::Random& random);
/// Gives the new key file its name, once the ring is sealed under it. Idempotent.
Result<void> settle_master_key(const std::filesystem::path& file);

}  // namespace rapport::store
