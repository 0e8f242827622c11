#include "rapport/language/sse_reader.h"

#include <fmt/format.h>

#include <utility>

namespace rapport::language {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

tl::unexpected<Error> too_large(std::string_view what, std::size_t limit) {
  return fail(ErrorCode::kTooLarge,
              fmt::format("the event stream has {} of more than {} bytes", what, limit));
}

}  // namespace

Result<void> SseReader::feed(std::string_view bytes, const OnEvent& on_event) {
  if (failure_) return fail(*failure_);
  auto done = read(bytes, on_event);
  if (!done) failure_ = done.error();
  return done;
}

Result<void> SseReader::finish(const OnEvent& on_event) {
  if (failure_) return fail(*failure_);
  dispatch(on_event);
  *this = SseReader(limits_);
  return {};
}

Result<void> SseReader::read(std::string_view bytes, const OnEvent& on_event) {
  while (!bytes.empty()) {
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    const std::string_view part = bytes.substr(0, end);
    if (part.size() > limits_.max_line_bytes - line_.size()) {
      return too_large("a line", limits_.max_line_bytes);
    }
    line_.append(part);
    if (end == std::string_view::npos) break;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    TRY_VOID(end_line(on_event));
  }
  return {};
}

Result<void> SseReader::end_line(const OnEvent& on_event) {
  std::string_view line = line_;
  if (std::exchange(at_start_, false) && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  if (line.empty()) {
    dispatch(on_event);
  } else {
    TRY_VOID(add_field(line));
  }
  line_.clear();
  return {};
}

Result<void> SseReader::add_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value;
  if (colon != std::string_view::npos) value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field != "data" && field != "event") return {};  // a comment's field is empty

  std::string& target = field == "data" ? event_.data : event_.type;
  const std::size_t others =
      field == "data" ? event_.type.size() + event_.data.size() + 1 : event_.data.size();
  if (value.size() + others > limits_.max_event_bytes) {
    return too_large("an event", limits_.max_event_bytes);
  }
  if (field == "event") {
    target = value;
    return {};
  }
  if (std::exchange(has_data_, true)) target += '\n';
  target += value;
  return {};
}

void SseReader::dispatch(const OnEvent& on_event) {
  const SseEvent event = std::exchange(event_, {});
  if (std::exchange(has_data_, false)) on_event(event);
}

}  // namespace rapport::language
