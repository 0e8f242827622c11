#include "rapport/language/embedded_text.h"

#include <algorithm>

#include "rapport/base/text.h"

namespace rapport::language {
namespace {

/// Where a beginning of `stop` ends `text`; its size when none does.
std::size_t partial_stop(std::string_view text, std::string_view stop) {
  const std::size_t longest = std::min(text.size(), stop.size() - 1);
  for (std::size_t length = longest; length > 0; --length) {
    if (text.ends_with(stop.substr(0, length))) return text.size() - length;
  }
  return text.size();
}

}  // namespace

TextStream::TextStream(std::vector<std::string> stop) : stop_(std::move(stop)) {}

std::size_t TextStream::certain() const {
  std::size_t end = held_.size() - base::incomplete_utf8_tail(held_);
  for (const std::string& stop : stop_) end = std::min(end, partial_stop(held_, stop));
  return end;
}

std::string TextStream::take(std::size_t size) {
  const std::string text = base::to_valid_utf8(std::string_view(held_).substr(0, size));
  held_.erase(0, size);
  sent_bytes_ += size;
  return text;
}

std::string TextStream::push(std::string_view bytes) {
  if (stopped_) return {};
  held_ += bytes;
  std::size_t found = std::string::npos;
  for (const std::string& stop : stop_) found = std::min(found, held_.find(stop));
  stopped_ = found != std::string::npos;
  const std::string text = take(stopped_ ? found : certain());
  if (stopped_) held_.clear();
  return text;
}

std::string TextStream::finish() {
  const std::string text = take(held_.size() - base::incomplete_utf8_tail(held_));
  held_.clear();
  return text;
}

}  // namespace rapport::language
