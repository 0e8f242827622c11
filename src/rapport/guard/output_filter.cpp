#include "rapport/guard/output_filter.h"

#include <algorithm>

namespace rapport::guard {
namespace {

// Our keys are "rk_" and at least this many letters and digits (server/authentication.h makes 52).
constexpr std::string_view kKeyPrefix = "rk_";
constexpr std::size_t kMinKeyBody = 20;
constexpr std::size_t kMaxKeyBody = 128;

bool is_key_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// True when `text` is a beginning of `whole`, but not all of it.
bool begins(std::string_view text, std::string_view whole) {
  return text.size() < whole.size() && whole.substr(0, text.size()) == text;
}

}  // namespace

OutputFilter::OutputFilter(std::vector<std::string> marks) : marks_(std::move(marks)) {}

std::string OutputFilter::push(std::string_view piece) {
  held_ += piece;
  return drain(false);
}

std::string OutputFilter::finish() {
  return drain(true);
}

std::vector<std::string> OutputFilter::rules() const {
  std::vector<std::string> fired;
  if (fence_fired_) fired.emplace_back("fence");
  if (key_fired_) fired.emplace_back("api_key");
  return fired;
}

std::string OutputFilter::drain(bool last) {
  std::string out;
  std::size_t at = 0;
  while (at < held_.size()) {
    const std::string_view rest = std::string_view(held_).substr(at);
    const auto whole = std::find_if(marks_.begin(), marks_.end(), [&](const std::string& mark) {
      return rest.substr(0, mark.size()) == mark;
    });
    if (whole != marks_.end()) {
      at += whole->size();
      ++redactions_;
      fence_fired_ = true;
      continue;
    }
    if (rest.substr(0, kKeyPrefix.size()) == kKeyPrefix) {
      std::size_t end = kKeyPrefix.size();
      while (end < rest.size() && end < kKeyPrefix.size() + kMaxKeyBody &&
             is_key_character(rest[end])) {
        ++end;
      }
      if (end == rest.size() && !last) break;
      if (end - kKeyPrefix.size() >= kMinKeyBody) {
        out += "[redacted]";
        ++redactions_;
        key_fired_ = true;
      } else {
        out += rest.substr(0, end);
      }
      at += end;
      continue;
    }
    const bool may_become =
        !last && (begins(rest, kKeyPrefix) ||
                  std::any_of(marks_.begin(), marks_.end(),
                              [&](const std::string& mark) { return begins(rest, mark); }));
    if (may_become) break;
    out += held_[at++];
  }
  held_.erase(0, at);
  return out;
}

}  // namespace rapport::guard
