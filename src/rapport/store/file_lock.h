// Locks between processes that go with the process that holds them, however it ends.
#pragma once

#include <filesystem>
#include <utility>

#include "rapport/base/result.h"

namespace rapport::store {

/// Held as long as it lives. Two of one process exclude each other as those of two processes do.
class FileLock {
 public:
  enum class Kind { kShared, kExclusive };

  /// `path` is a folder, which needs no file of its own and may be read-only, or a file, which is
  /// made (mode 0600). Waits so long for whoever holds it. Errors: kUnavailable, kIo.
  static Result<FileLock> take(const std::filesystem::path& path, Kind kind, int wait_ms);
  FileLock(FileLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int file) : file_(file) {}
  int file_;
};

}  // namespace rapport::store
