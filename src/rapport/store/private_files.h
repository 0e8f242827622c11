// Files that only their owner may read, and that appear whole.
#pragma once

#include <filesystem>
#include <string>

#include "rapport/base/result.h"

namespace rapport::store {

/// From the root, as seen from the working folder.
std::string absolute_path(const std::string& path);

/// An empty file of mode 0600. kConflict when there is one of that name; it is left as it is.
Result<void> create_private_file(const std::string& path);

/// Errors: kPermissionDenied, with the remedy, when others than its owner may read or write it;
/// kIo.
Result<void> check_private(const std::filesystem::path& path);

/// Gives a finished file its name, durably. Unlike a rename it never replaces what another process
/// has put there meanwhile: kConflict. `from` is gone afterwards in every case.
Result<void> publish_file(const std::string& from, const std::string& to);

/// Makes a rename or link in the folder of `path` durable.
Result<void> sync_folder_of(const std::string& path);

}  // namespace rapport::store
