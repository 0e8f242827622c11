#include "rapport/base/zip.h"

#include <fmt/format.h>
#include <zip.h>

#include <array>
#include <streambuf>

namespace rapport::base {
namespace {

// 1980-01-01, the earliest a zip can say: archives do not tell when they were made but in their
// contents.
constexpr time_t kNoTime = 315532800;

std::string words(zip_error_t& error) {
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using File = std::unique_ptr<zip_file_t, CloseFile>;

tl::unexpected<Error> no_zip(std::string_view what) {
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("this is no whole zip archive ({}): give the file as it was downloaded", what));
}

Result<Archive> open_bytes(std::string_view bytes) {
  // libzip takes nothing at all for an archive of no files.
  if (bytes.empty()) return no_zip("it is empty");
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (source == nullptr) return no_zip(words(error));
  Archive archive(zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error));
  if (archive) return archive;
  zip_source_free(source);
  return no_zip(words(error));
}

/// Reads a file of an archive piece by piece.
class ZipBuffer final : public std::streambuf {
 public:
  ZipBuffer(Archive archive, File file) : archive_(std::move(archive)), file_(std::move(file)) {}

 private:
  int_type underflow() override {
    const zip_int64_t got = zip_fread(file_.get(), piece_.data(), piece_.size());
    // An exception inside a streambuf is how a stream learns of a fault: it sets badbit.
    if (got < 0) throw std::ios_base::failure("the archive is damaged");
    if (got == 0) return traits_type::eof();
    setg(piece_.data(), piece_.data(), piece_.data() + got);
    return traits_type::to_int_type(*gptr());
  }

  Archive archive_;
  File file_;
  std::array<char, 1 << 16> piece_{};
};

class ZipStream final : public std::istream {
 public:
  ZipStream(Archive archive, File file)
      : std::istream(nullptr), buffer_(std::move(archive), std::move(file)) {
    rdbuf(&buffer_);
  }

 private:
  ZipBuffer buffer_;
};

Result<std::unique_ptr<std::istream>> open_named(Archive archive, const std::string& name) {
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* entry = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), 0);
    if (entry == nullptr || (entry != name && !std::string_view(entry).ends_with("/" + name))) {
      continue;
    }
    File file(zip_fopen_index(archive.get(), static_cast<zip_uint64_t>(i), 0));
    if (!file) return no_zip(zip_strerror(archive.get()));
    return std::make_unique<ZipStream>(std::move(archive), std::move(file));
  }
  return fail(ErrorCode::kNotFound, fmt::format("the archive has no {}", name));
}

}  // namespace

Result<std::string> write_zip(const std::vector<ZipEntry>& entries) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error);
  if (target == nullptr) return fail(ErrorCode::kInternal, words(error));
  // The archive takes one reference when it is closed, and the bytes are read by another.
  zip_source_keep(target);
  const std::unique_ptr<zip_source_t, decltype(&zip_source_free)> kept(target, &zip_source_free);
  Archive archive(zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, &error));
  if (!archive) {
    zip_source_free(target);
    return fail(ErrorCode::kInternal, words(error));
  }
  for (const ZipEntry& entry : entries) {
    zip_source_t* bytes =
        zip_source_buffer(archive.get(), entry.bytes.data(), entry.bytes.size(), 0);
    const zip_int64_t at =
        bytes == nullptr ? -1
                         : zip_file_add(archive.get(), entry.name.c_str(), bytes, ZIP_FL_ENC_UTF_8);
    if (at < 0) {
      zip_source_free(bytes);
      return fail(ErrorCode::kInternal, zip_strerror(archive.get()));
    }
    zip_file_set_mtime(archive.get(), static_cast<zip_uint64_t>(at), kNoTime, 0);
  }
  if (zip_close(archive.get()) != 0) {
    return fail(ErrorCode::kInternal, zip_strerror(archive.get()));
  }
  (void)archive.release();
  zip_stat_t status;
  zip_stat_init(&status);
  if (zip_source_stat(target, &status) != 0 || zip_source_open(target) != 0) {
    return fail(ErrorCode::kInternal, "the archive that was made cannot be read");
  }
  std::string zip(status.size, '\0');
  const zip_int64_t got = zip_source_read(target, zip.data(), zip.size());
  zip_source_close(target);
  if (got != static_cast<zip_int64_t>(zip.size())) {
    return fail(ErrorCode::kInternal, "the archive that was made cannot be read");
  }
  return zip;
}

Result<std::vector<ZipEntry>> read_zip(std::string_view bytes, const ZipLimits& limits) {
  TRY(const Archive archive, open_bytes(bytes));
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  if (count < 0 || static_cast<std::size_t>(count) > limits.max_entries) {
    return fail(ErrorCode::kTooLarge, fmt::format("the archive holds {} files: at most {} are read",
                                                  count, limits.max_entries));
  }
  std::vector<ZipEntry> entries;
  std::uint64_t total = 0;
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), 0);
    const File file(zip_fopen_index(archive.get(), static_cast<zip_uint64_t>(i), 0));
    if (name == nullptr || !file) return no_zip(zip_strerror(archive.get()));
    ZipEntry entry{name, {}};
    if (entry.name.ends_with('/')) continue;
    std::array<char, 1 << 16> piece;
    while (true) {
      const zip_int64_t got = zip_fread(file.get(), piece.data(), piece.size());
      if (got < 0) return no_zip(fmt::format("{} is damaged", entry.name));
      if (got == 0) break;
      total += static_cast<std::uint64_t>(got);
      // What it claims of itself is not believed.
      if (total > limits.max_bytes) {
        return fail(ErrorCode::kTooLarge,
                    fmt::format("the archive holds more than {} bytes, the most that is read",
                                limits.max_bytes));
      }
      entry.bytes.append(piece.data(), static_cast<std::size_t>(got));
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

bool is_zip(std::string_view bytes) {
  return bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06");
}

Result<std::unique_ptr<std::istream>> open_in_zip(const std::string& path,
                                                  const std::string& name) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    return no_zip(path + ": " + words(error));
  }
  return open_named(std::move(archive), name);
}

Result<std::unique_ptr<std::istream>> open_in_zip_bytes(std::string_view bytes,
                                                        const std::string& name) {
  TRY(Archive archive, open_bytes(bytes));
  return open_named(std::move(archive), name);
}

}  // namespace rapport::base
