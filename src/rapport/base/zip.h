// Zip archives (libzip): whole ones in memory, and one file of a large one as a stream.
//
//   TRY(const std::string zip, write_zip({{"manifest.json", "{}"}}));
//   TRY(const std::vector<ZipEntry> files, read_zip(zip));
//   TRY(const auto stream, open_in_zip("export.zip", "conversations.json"));   // std::istream
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::base {

struct ZipEntry {
  std::string name;
  std::string bytes;
};

/// What a hostile archive may at most make of itself.
struct ZipLimits {
  std::size_t max_entries = 64;
  std::uint64_t max_bytes = std::uint64_t{1} << 30;  // unpacked, all together
};

/// Deflated; the same bytes for the same entries.
Result<std::string> write_zip(const std::vector<ZipEntry>& entries);
/// Folders are passed over. Errors: kInvalidArgument for what is no zip, truncated or damaged (its
/// checksums are held), kTooLarge beyond the limits.
Result<std::vector<ZipEntry>> read_zip(std::string_view bytes, const ZipLimits& limits = {});

/// Whether bytes begin as a zip does.
bool is_zip(std::string_view bytes);

/// A file of the archive at `path`, or the first whose name ends with "/" + `name`, unpacked as it
/// is read, in bounded memory. A fault on the way, a wrong checksum among them, sets the stream's
/// badbit. Errors: kNotFound, kInvalidArgument.
Result<std::unique_ptr<std::istream>> open_in_zip(const std::string& path, const std::string& name);
/// The same of an archive in memory, which must outlive the stream.
Result<std::unique_ptr<std::istream>> open_in_zip_bytes(std::string_view bytes,
                                                        const std::string& name);

}  // namespace rapport::base
