// Whatever an upstream streams, and however the network cuts it up: the reader neither crashes nor
// outgrows its limits, and every split gives the same events.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "rapport/language/sse_reader.h"

namespace {

using rapport::language::SseEvent;
using rapport::language::SseLimits;
using rapport::language::SseReader;

// Small, so that the fuzzer reaches them.
constexpr SseLimits kLimits{.max_line_bytes = 48, .max_event_bytes = 64};

struct Reading {
  std::vector<SseEvent> events;
  bool failed = false;
  bool operator==(const Reading&) const = default;
};

/// `piece_bytes` 0: all at once.
Reading read(std::string_view bytes, std::size_t piece_bytes) {
  Reading reading;
  const auto keep = [&reading](const SseEvent& event) {
    if (event.data.size() + event.type.size() > kLimits.max_event_bytes) std::abort();
    reading.events.push_back(event);
  };
  SseReader reader(kLimits);
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, piece_bytes == 0 ? bytes.size() : piece_bytes);
    bytes.remove_prefix(piece.size());
    if (!reader.feed(piece, keep)) reading.failed = true;
  }
  if (!reader.finish(keep)) reading.failed = true;
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // The first byte says how the rest is cut.
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const Reading whole = read(bytes, 0);
  if (read(bytes, 1) != whole) std::abort();
  if (read(bytes, 1 + data[0] % 16) != whole) std::abort();
  return 0;
}
