#include "rapport/store/private_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace rapport::store {
namespace {

tl::unexpected<Error> cannot_create(const std::string& path, int reason) {
  if (reason == EEXIST) {
    return fail(ErrorCode::kConflict,
                fmt::format("{} exists already: move it away or give another name", path));
  }
  return fail(ErrorCode::kIo,
              fmt::format("cannot create {}: {}; check that its folder exists and may be written",
                          path, std::strerror(reason)));
}

}  // namespace

std::string absolute_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.string();
}

Result<void> create_private_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return cannot_create(path, errno);
  ::close(file);
  return {};
}

Result<void> check_private(const std::filesystem::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    return fail(ErrorCode::kIo, fmt::format("cannot read {}: {}; check the owner of its folder",
                                            path.string(), std::strerror(errno)));
  }
  if ((status.st_mode & 077) == 0) return {};
  return fail(ErrorCode::kPermissionDenied,
              fmt::format("{} may be read by other users of this machine (mode {:04o}): run "
                          "`chmod 600 {}`",
                          path.string(), status.st_mode & 07777, path.string()));
}

Result<void> publish_file(const std::string& from, const std::string& to) {
  const int reason = ::link(from.c_str(), to.c_str()) == 0 ? 0 : errno;
  ::unlink(from.c_str());
  if (reason != 0) return cannot_create(to, reason);
  return sync_folder_of(to);
}

Result<void> sync_folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(absolute_path(path)).parent_path().string();
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = opened >= 0 && ::fsync(opened) == 0;
  const int reason = errno;
  if (opened >= 0) ::close(opened);
  if (synced) return {};
  return fail(ErrorCode::kIo,
              fmt::format("cannot make the change in {} durable: {}; check the disk", folder,
                          std::strerror(reason)));
}

}  // namespace rapport::store
