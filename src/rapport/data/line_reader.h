// The lines of a text file, plain or gzip, whatever its size and however broken it is.
//
//   TRY(LineReader lines, LineReader::open("ratings.dat.gz", {}));
//   while (true) {
//     TRY(const bool more, lines.next());
//     if (!more) break;
//     if (lines.text() != "…") return fail(lines.error("expected …"));   // "ratings.dat.gz:17: …"
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::data {

enum class Encoding {
  kUtf8,          // anything else is an error
  kUtf8OrLatin1,  // a line that is not UTF-8 is taken for ISO 8859-1, as MovieLens' are, and
                  // counted
};

struct ReadOptions {
  /// The most that a line may have; no more than this and a piece is ever in memory. Real lines
  /// stay far below: product descriptions reach some 100 KB.
  std::size_t max_line_bytes = 4u << 20;
  /// Told how many bytes more of a file, as it lies on the disk, were read. May be empty.
  std::function<void(std::int64_t)> on_bytes = {};
};

/// Blank lines are passed over, "\r\n" ends a line too, a byte order mark is dropped. Not
/// thread-safe.
class LineReader {
 public:
  /// Errors: kNotFound, kIo.
  static Result<LineReader> open(const std::filesystem::path& path, ReadOptions options,
                                 Encoding encoding = Encoding::kUtf8);
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;
  ~LineReader();

  /// False at the end. Errors name file:line: kInvalidArgument for a file without lines, gzip data
  /// that are damaged or cut off, text that is not UTF-8; kTooLarge for a line beyond the bound;
  /// kIo.
  Result<bool> next();
  /// Without its end; until the next `next`.
  std::string_view text() const { return text_; }
  /// From 1; 0 before the first.
  std::int64_t line() const { return line_; }
  const std::string& path() const { return path_; }
  /// Lines taken for ISO 8859-1.
  std::int64_t latin1_lines() const { return latin1_lines_; }

  /// "path:line: message", kInvalidArgument.
  Error error(std::string_view message) const;

 private:
  struct File;
  explicit LineReader(std::unique_ptr<File> file);

  /// Reads until there is a line end from `scanned` on, or the file ends. False: it has ended.
  Result<bool> fill();
  Result<void> decode();

  std::unique_ptr<File> file_;
  std::string path_;
  ReadOptions options_;
  Encoding encoding_ = Encoding::kUtf8;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // what of the buffer is still to be read
  bool at_end_ = false;
  std::string_view text_;
  std::string decoded_;  // a line of ISO 8859-1 as UTF-8
  std::int64_t line_ = 0;
  std::int64_t latin1_lines_ = 0;
};

}  // namespace rapport::data
