// Files whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

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

/// A folder whole or not at all: `fill` writes its files into a new folder beside `path`, which
/// then takes that name. What was at `path` is replaced in one step, and goes only when all of the
/// new is on the disk; whether it may go is the caller's to check. Errors: kIo, or what `fill`
/// returns; `path` is then as it was.
Result<void> write_directory_atomically(
    const std::filesystem::path& path,
    const std::function<Result<void>(const std::filesystem::path& folder)>& fill);

/// That something can be put at `path` later, told before hours of work: makes the folders above
/// it, and tries. Errors: kIo, naming the folder.
Result<void> prepare_output(const std::filesystem::path& path);
/// The same for a file. Errors: kIo; kInvalidArgument where a folder has that name.
Result<void> prepare_output_file(const std::filesystem::path& path);

/// An empty folder of our own, which goes away with its contents.
class ScratchDirectory {
 public:
  /// Where the system keeps such. Errors: kIo.
  static Result<ScratchDirectory> create();
  ScratchDirectory(ScratchDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

/// What is kept of users, and their models: $RAPPORT_HOME, which a program's --home sets, or
/// ~/.local/share/rapport; "" where neither is known.
std::filesystem::path default_home();

}  // namespace rapport::base
