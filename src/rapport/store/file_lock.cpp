#include "rapport/store/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace rapport::store {

Result<FileLock> FileLock::take(const std::filesystem::path& path, Kind kind, int wait_ms) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(path, ignored);
  const int file = folder ? ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                          : ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return fail(ErrorCode::kIo, fmt::format("cannot open {}: {}; check its owner and mode",
                                            path.string(), std::strerror(errno)));
  }
  FileLock lock(file);
  const int operation = (kind == Kind::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  while (::flock(file, operation) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) {
      return fail(ErrorCode::kIo,
                  fmt::format("cannot lock {}: {}", path.string(), std::strerror(errno)));
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorCode::kUnavailable,
                  fmt::format("{} is in use by another Rapport: stop `rapport serve` and whatever "
                              "else runs on this home, then try again",
                              path.string()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return lock;
}

FileLock::~FileLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace rapport::store
