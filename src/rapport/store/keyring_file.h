// keyring.json: the one small file that the master key seals. Rotating the master key is writing it
// anew.
#pragma once

#include <filesystem>
#include <optional>

#include "rapport/store/master_key.h"

namespace rapport::store {

/// The secrets of a home.
struct KeyRingSecrets {
  SecretKey pseudonym;  // names users; never changes, or nobody's rows would be found again
  SecretKey home;       // wraps every user's key
  /// While the keys of users are being wrapped anew, some are still under this one.
  std::optional<SecretKey> previous_home = {};
};

struct KeyRingFile {
  MasterKeyRecord master;
  std::string box;  // the sealed secrets
};

/// Errors: kNotFound, kPermissionDenied (mode), kCorrupt, kUnsupported (of a newer Rapport), kIo.
Result<KeyRingFile> read_keyring(const std::filesystem::path& path);
/// Whole or not at all, mode 0600.
Result<void> write_keyring(const std::filesystem::path& path, const NewMasterKey& master,
                           const KeyRingSecrets& secrets, base::Random& random);
/// Errors: kCorrupt when the master key is right and the box was changed.
Result<KeyRingSecrets> open_keyring(const std::filesystem::path& path, const KeyRingFile& file,
                                    const SecretKey& master);

}  // namespace rapport::store
