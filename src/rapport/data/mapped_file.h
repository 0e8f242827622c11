// A file as memory, read when it is touched.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "rapport/base/result.h"

namespace rapport::data {

/// Read-only; immutable; thread-safe. It must not be cut short by others while it is mapped: ours
/// are only ever replaced by new ones, and the old one lives until the last mapping goes.
class MappedFile {
 public:
  /// Errors: kNotFound, kIo; each names the file.
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::string_view bytes) : bytes_(bytes) {}

  std::string_view bytes_;
};

}  // namespace rapport::data
