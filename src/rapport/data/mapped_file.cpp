#include "rapport/data/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace rapport::data {
namespace {

tl::unexpected<Error> open_error(const std::filesystem::path& path) {
  const int error = errno;
  return fail(error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo,
              fmt::format("cannot open {}: {}", path.string(), std::strerror(error)));
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return open_error(path);
  struct stat status {};
  void* mapped = MAP_FAILED;
  const bool known = ::fstat(file, &status) == 0;
  const auto size = known ? static_cast<std::size_t>(status.st_size) : 0;
  // Nothing can be mapped from an empty file, and nothing needs to be.
  if (known && size > 0) mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  const bool failed = !known || (size > 0 && mapped == MAP_FAILED);
  auto error = failed ? open_error(path) : tl::unexpected(Error{});
  ::close(file);
  if (failed) return error;
  const std::string_view bytes =
      size > 0 ? std::string_view(static_cast<const char*>(mapped), size) : std::string_view();
  return std::shared_ptr<const MappedFile>(new MappedFile(bytes));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

}  // namespace rapport::data
