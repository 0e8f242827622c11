// Files whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "rapport/base/result.h"

namespace rapport::base {

/// Errors: kNotFound, kIo, kTooLarge beyond `max_bytes`; each names the path.
Result<std::string> read_file(const std::filesystem::path& path,
                              std::size_t max_bytes = std::size_t{1} << 30);

/// Temporary file beside `path`, fsync, rename, fsync of the folder. `mode` is the file's
/// permission bits, whatever the umask. A symbolic link at `path` is replaced, not followed.
/// Errors: kIo; what was at `path` is then still there, whole.
Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view bytes,
                                   unsigned mode = 0644);

/// Creates the folder and its parents, the last with `mode`. One that is there already keeps its
/// own mode (it may be /tmp), unless `mode` shuts out group and others: then it is set. Errors:
/// kIo.
Result<void> ensure_directory(const std::filesystem::path& path, unsigned mode = 0755);

}  // namespace rapport::base
