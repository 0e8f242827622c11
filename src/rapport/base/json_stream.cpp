#include "rapport/base/json_stream.h"

#include <fmt/format.h>

#include <array>
#include <ios>
#include <optional>
#include <streambuf>
#include <vector>

namespace rapport::base {
namespace {

/// An element that is larger than it may be ends the reading before it is in memory.
struct TooLarge {};

/// Passes a stream on and counts. The parser takes bytes from the buffer itself, past the stream's
/// own handling of faults.
class CountingBuffer final : public std::streambuf {
 public:
  CountingBuffer(std::istream& source, std::uint64_t max_element)
      : source_(source), max_element_(max_element) {}

  void begin_element() { begun_ = position(); }
  std::uint64_t position() const { return read_ - static_cast<std::uint64_t>(egptr() - gptr()); }

 private:
  int_type underflow() override {
    if (position() - begun_ > max_element_) throw TooLarge{};
    source_.read(piece_.data(), static_cast<std::streamsize>(piece_.size()));
    const std::streamsize got = source_.gcount();
    if (source_.bad()) throw std::ios_base::failure("the source is damaged");
    if (got == 0) return traits_type::eof();
    read_ += static_cast<std::uint64_t>(got);
    setg(piece_.data(), piece_.data(), piece_.data() + got);
    return traits_type::to_int_type(*gptr());
  }

  std::istream& source_;
  const std::uint64_t max_element_;
  std::uint64_t read_ = 0;
  std::uint64_t begun_ = 0;
  std::array<char, 1 << 16> piece_{};
};

/// Builds one element of the outer array at a time.
class Elements {
 public:
  Elements(CountingBuffer& buffer, const JsonElementLimits& limits,
           const std::function<Result<void>(Json, std::int64_t)>& take)
      : buffer_(buffer), limits_(limits), take_(take) {}

  bool null() { return value(nullptr); }
  bool boolean(bool v) { return value(v); }
  bool number_integer(Json::number_integer_t v) { return value(v); }
  bool number_unsigned(Json::number_unsigned_t v) { return value(v); }
  bool number_float(Json::number_float_t v, const std::string&) { return value(v); }
  bool string(std::string& v) { return value(std::move(v)); }
  bool binary(Json::binary_t&) { return false; }
  bool key(std::string& v) {
    key_ = std::move(v);
    return true;
  }
  bool start_object(std::size_t) { return start(Json::object()); }
  bool start_array(std::size_t) {
    if (!begun_) {
      begun_ = true;
      buffer_.begin_element();
      return true;
    }
    return start(Json::array());
  }
  bool end_object() { return end(); }
  bool end_array() { return open_.empty() || end(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
    if (!error_) refuse(fmt::format("byte {}: not JSON, or cut off", position));
    return false;
  }

  const std::optional<Error>& error() const { return error_; }

 private:
  bool value(Json v) {
    if (!begun_) return refuse("it must be an array");
    if (open_.empty()) {
      element_ = std::move(v);
      return done();
    }
    put(std::move(v));
    return true;
  }
  bool start(Json container) {
    if (!begun_) return refuse("it must be an array");
    if (open_.size() >= limits_.max_depth) {
      return refuse(
          fmt::format("element {} nests deeper than {} levels", index_, limits_.max_depth));
    }
    if (open_.empty()) {
      element_ = std::move(container);
      open_.push_back(&element_);
    } else {
      open_.push_back(put(std::move(container)));
    }
    return true;
  }
  bool end() {
    open_.pop_back();
    return !open_.empty() || done();
  }
  /// Into the innermost that is open. Only its last member is ever being built, so that the
  /// pointers in `open_` hold. A member's name is not looked for among those before it, which takes
  /// the square of their number: of two of one name the first is found.
  Json* put(Json v) {
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(v));
      return &parent.back();
    }
    auto& members = parent.get_ref<Json::object_t&>();
    members.emplace_back(std::move(key_), std::move(v));
    return &members.back().second;
  }
  bool done() {
    Json element = std::move(element_);
    element_ = nullptr;
    if (auto taken = take_(std::move(element), index_++); !taken) {
      error_ = std::move(taken).error();
      return false;
    }
    buffer_.begin_element();
    return true;
  }
  bool refuse(std::string why) {
    error_ = Error{.code = ErrorCode::kInvalidArgument, .message = std::move(why)};
    return false;
  }

  CountingBuffer& buffer_;
  const JsonElementLimits& limits_;
  const std::function<Result<void>(Json, std::int64_t)>& take_;
  bool begun_ = false;
  Json element_;
  std::vector<Json*> open_;
  std::string key_;
  std::int64_t index_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<void> read_json_array(
    std::istream& stream, std::string_view what, const JsonElementLimits& limits,
    const std::function<Result<void>(Json element, std::int64_t index)>& take) {
  CountingBuffer buffer(stream, limits.max_bytes);
  std::istream counted(&buffer);
  Elements elements(buffer, limits, take);
  try {
    if (Json::sax_parse(counted, &elements)) return {};
  } catch (const TooLarge&) {
    return fail(ErrorCode::kTooLarge,
                fmt::format("{}: byte {}: one element is larger than {} bytes", what,
                            buffer.position(), limits.max_bytes));
  } catch (const std::ios_base::failure&) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is damaged after byte {}: give the file as it was downloaded", what,
                            buffer.position()));
  }
  if (!elements.error()) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} is not JSON", what));
  }
  Error error = *elements.error();
  error.message = fmt::format("{}: {}", what, error.message);
  return fail(std::move(error));
}

}  // namespace rapport::base
