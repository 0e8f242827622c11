#include "rapport/base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace rapport::base {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

tl::unexpected<Error> io_error(std::string_view action, const std::filesystem::path& path) {
  const int error = errno;
  const ErrorCode code =
      error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  return fail(code, fmt::format("cannot {} {}: {}", action, path.string(), std::strerror(error)));
}

/// Writing never reports kNotFound: to the caller a missing folder is a fault of the disk's state,
/// not of a name that was asked for.
tl::unexpected<Error> write_error(std::string_view action, const std::filesystem::path& path) {
  const int error = errno;
  return fail(ErrorCode::kIo,
              fmt::format("cannot {} {}: {}", action, path.string(), std::strerror(error)));
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// Without this a power cut could bring the old name back.
Result<void> sync_folder(const std::filesystem::path& folder) {
  const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || ::fsync(directory.get()) != 0) return write_error("sync", folder);
  return {};
}

/// "a/b/" and "a/b/." name the folder "a/b".
std::filesystem::path without_trailing_slash(const std::filesystem::path& path) {
  const std::filesystem::path plain = path.lexically_normal();
  return plain.has_filename() ? plain : plain.parent_path();
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return io_error("open", path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return io_error("read", path);

  // The size is a hint only: a file may grow while it is read, and those under /proc claim 0 bytes.
  std::string bytes;
  std::size_t size = 0;
  std::size_t hint = status.st_size > 0 ? static_cast<std::size_t>(status.st_size) : 0;
  while (true) {
    if (size == bytes.size())
      bytes.resize(std::min(std::max(hint, size + (size >> 1) + 4096), max_bytes) + 1);
    hint = 0;
    const ssize_t got = ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0) {
      if (errno == EINTR) continue;
      return io_error("read", path);
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (size > max_bytes) {
      return fail(ErrorCode::kTooLarge,
                  fmt::format("{} is larger than {} bytes, the most that is read here",
                              path.string(), max_bytes));
    }
  }
  bytes.resize(size);
  return bytes;
}

Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view bytes,
                                   unsigned mode) {
  const std::filesystem::path folder = folder_of(path);
  std::string temporary = (folder / ("." + path.filename().string() + ".XXXXXX")).string();
  const FileDescriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!file.is_open()) return write_error("write", path);

  const bool written = ::fchmod(file.get(), mode) == 0 && write_all(file.get(), bytes) &&
                       ::fsync(file.get()) == 0 && ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!written) {
    auto error = write_error("write", path);
    ::unlink(temporary.c_str());
    return error;
  }

  return sync_folder(folder);
}

Result<void> ensure_directory(const std::filesystem::path& path, unsigned mode) {
  const std::filesystem::path folder = without_trailing_slash(path);
  std::error_code error;
  if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), error);
  if (error) {
    return fail(ErrorCode::kIo,
                fmt::format("cannot create folder {}: {}", path.string(), error.message()));
  }
  const bool created = ::mkdir(folder.c_str(), mode) == 0;
  if (!created && errno != EEXIST) return write_error("create folder", path);
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return write_error("create folder", path);
  if (!S_ISDIR(status.st_mode)) {
    return fail(ErrorCode::kIo,
                fmt::format("cannot create folder {}: a file has that name", path.string()));
  }
  const bool is_private = (mode & 077) == 0;
  const bool is_too_open = is_private && (status.st_mode & 077) != 0;
  if ((created || is_too_open) && ::chmod(folder.c_str(), mode) != 0)
    return write_error("set the permissions of", path);
  return {};
}

Result<void> write_directory_atomically(
    const std::filesystem::path& path,
    const std::function<Result<void>(const std::filesystem::path& folder)>& fill) {
  const std::filesystem::path target = without_trailing_slash(path);
  const std::filesystem::path parent = folder_of(target);
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  if (error) {
    return fail(ErrorCode::kIo,
                fmt::format("cannot create folder {}: {}", parent.string(), error.message()));
  }
  std::string made = (parent / ("." + target.filename().string() + ".XXXXXX")).string();
  if (::mkdtemp(made.data()) == nullptr) return write_error("create a folder beside", target);

  Result<void> done = fill(made);
  if (done && ::chmod(made.c_str(), 0755) != 0) done = write_error("write", target);
  if (done) done = sync_folder(made);
  if (done && ::rename(made.c_str(), target.c_str()) != 0) {
    // Something is there that is no empty folder. The two change names in one step, so that at no
    // moment there is neither; then `made` is what is to go.
    if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0)
      done = write_error("replace", target);
  }
  std::filesystem::remove_all(made, error);  // nothing there after a plain rename
  TRY_VOID(done);
  return sync_folder(parent);
}

Result<void> prepare_output(const std::filesystem::path& path) {
  const std::filesystem::path parent = folder_of(without_trailing_slash(path));
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  if (error)
    return fail(ErrorCode::kIo,
                fmt::format("cannot create folder {}: {}", parent.string(), error.message()));
  std::string made = (parent / ".rapport-XXXXXX").string();
  if (::mkdtemp(made.data()) == nullptr) return write_error("write into", parent);
  ::rmdir(made.c_str());
  return {};
}

Result<void> prepare_output_file(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is a folder: name a file", path.string()), "output");
  return prepare_output(path);
}

Result<ScratchDirectory> ScratchDirectory::create() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  std::string made = (folder / "rapport-XXXXXX").string();
  if (error || ::mkdtemp(made.data()) == nullptr) return write_error("create a folder in", folder);
  return ScratchDirectory(made);
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path default_home() {
  const auto variable = [](const char* name) -> std::filesystem::path {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (auto home = variable("RAPPORT_HOME"); !home.empty()) return home;
  if (const auto user = variable("HOME"); !user.empty()) return user / ".local/share/rapport";
  return {};
}

}  // namespace rapport::base
