#include "rapport/data/line_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "rapport/base/text.h"

namespace rapport::data {
namespace {

/// What is read at a time: large enough that a call costs nothing beside it.
constexpr std::size_t kPieceBytes = 256u << 10;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_ascii(std::string_view text) {
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data() + at, 8);
    if ((eight & 0x8080808080808080) != 0) return false;
  }
  return std::ranges::all_of(text.substr(at),
                             [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

struct LineReader::File {
  gzFile handle = nullptr;
  std::int64_t reported = 0;  // bytes that `on_bytes` was told of

  explicit File(gzFile opened) : handle(opened) {}
  ~File() { gzclose_r(handle); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
};

LineReader::LineReader(std::unique_ptr<File> file) : file_(std::move(file)) {}
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;
LineReader::~LineReader() = default;

Result<LineReader> LineReader::open(const std::filesystem::path& path, ReadOptions options,
                                    Encoding encoding) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const int error = errno;
    return fail(error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo,
                fmt::format("cannot open {}: {}", path.string(), std::strerror(error)));
  }
  // Reads plain files as they are.
  const gzFile handle = ::gzdopen(descriptor, "rb");
  if (handle == nullptr) {
    ::close(descriptor);
    return fail(ErrorCode::kIo, fmt::format("cannot open {}: out of memory", path.string()));
  }
  ::gzbuffer(handle, kPieceBytes);
  LineReader reader(std::make_unique<File>(handle));
  reader.path_ = path.string();
  reader.options_ = std::move(options);
  reader.encoding_ = encoding;
  reader.buffer_.resize(2 * kPieceBytes);
  return reader;
}

Error LineReader::error(std::string_view message) const {
  return {ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", path_, line_, message)};
}

Result<bool> LineReader::fill() {
  // What is left moves to the front; the buffer grows only for a line that fills it.
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (buffer_.size() - end_ < kPieceBytes) {
    const std::size_t most = options_.max_line_bytes + kPieceBytes + 2;  // and its "\r\n"
    buffer_.resize(std::min(2 * buffer_.size(), std::max(most, buffer_.size())));
  }
  errno = 0;
  const std::size_t room = std::min(buffer_.size() - end_, kPieceBytes);
  const int got = ::gzread(file_->handle, buffer_.data() + end_, static_cast<unsigned>(room));
  int status = Z_OK;
  const char* reason = ::gzerror(file_->handle, &status);
  if (status == Z_ERRNO)
    return fail(ErrorCode::kIo, fmt::format("cannot read {}: {}", path_, std::strerror(errno)));
  if (status == Z_BUF_ERROR) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}:{}: the gzip data end early: the file is cut off, fetch it again",
                            path_, line_ + 1));
  }
  if (got < 0 || (status != Z_OK && status != Z_STREAM_END)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}:{}: the gzip data are damaged ({}): fetch the file again", path_,
                            line_ + 1, reason));
  }
  end_ += static_cast<std::size_t>(got);
  const std::int64_t position = ::gzoffset(file_->handle);
  if (options_.on_bytes && position > file_->reported)
    options_.on_bytes(position - file_->reported);
  file_->reported = std::max(file_->reported, position);
  return got > 0;
}

Result<bool> LineReader::next() {
  while (true) {
    std::size_t scanned = 0;  // bytes from `begin_` that hold no line end
    const char* line_end = nullptr;
    while (true) {
      const char* from = buffer_.data() + begin_ + scanned;
      const std::size_t left = end_ - begin_ - scanned;
      line_end = left == 0 ? nullptr : static_cast<const char*>(std::memchr(from, '\n', left));
      scanned += left;
      if (line_end != nullptr || at_end_) break;
      if (scanned > options_.max_line_bytes) break;
      TRY(const bool more, fill());
      at_end_ = !more;
    }
    if (line_ == 0 && scanned == 0 && at_end_)
      return fail(ErrorCode::kInvalidArgument, fmt::format("{} is empty", path_));
    if (line_end == nullptr && scanned == 0) return false;
    ++line_;
    const char* begin = buffer_.data() + begin_;
    text_ = {begin, line_end == nullptr ? scanned : static_cast<std::size_t>(line_end - begin)};
    begin_ += text_.size() + (line_end == nullptr ? 0 : 1);
    if (text_.size() > options_.max_line_bytes) {
      Error refused =
          error(fmt::format("the line is longer than {} bytes: it is no line of this "
                            "format",
                            options_.max_line_bytes));
      refused.code = ErrorCode::kTooLarge;
      return fail(std::move(refused));
    }
    if (text_.ends_with('\r')) text_.remove_suffix(1);
    if (line_ == 1 && text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
    TRY_VOID(decode());
    if (!text_.empty()) return true;
  }
}

Result<void> LineReader::decode() {
  if (is_ascii(text_) || base::is_utf8(text_)) return {};
  if (encoding_ == Encoding::kUtf8)
    return fail(error("the line is not UTF-8: convert the file, with iconv for example"));
  ++latin1_lines_;
  decoded_.clear();
  for (const char c : text_) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x80) {
      decoded_ += c;
    } else {
      decoded_ += static_cast<char>(0xC0 | (code >> 6));
      decoded_ += static_cast<char>(0x80 | (code & 0x3F));
    }
  }
  text_ = decoded_;
  return {};
}

}  // namespace rapport::data
