// Server-sent events out of bytes that come in any pieces (WHATWG HTML, section 9.2.6).
//
//   SseReader reader;
//   TRY_VOID(reader.feed(piece, [&](const SseEvent& event) { use(event.data); }));
//   …
//   reader.finish(on_event);   // the connection closed
//
// What a split into pieces cannot change: the events, their order, and where the first error is.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "rapport/base/result.h"

namespace rapport::language {

struct SseEvent {
  std::string type;  // of the `event` field; "" when there was none
  std::string data;  // `data` lines joined by a newline
  bool operator==(const SseEvent&) const = default;
};

struct SseLimits {
  std::size_t max_line_bytes = 8u << 20;
  std::size_t max_event_bytes = 16u << 20;  // of its data and type together
};

/// Lines may end in CR, LF or CRLF. Comments, `id`, `retry` and unknown fields are read over, as is
/// a byte order mark at the start. An event without data is none. Memory is bounded by the limits.
/// Not thread-safe.
class SseReader {
 public:
  using OnEvent = std::function<void(const SseEvent&)>;

  explicit SseReader(SseLimits limits = {}) : limits_(limits) {}

  /// Calls `on_event` for each event that `bytes` completes. Errors: kTooLarge past a limit; then
  /// the events before it have been given, and every later call gives the same error.
  Result<void> feed(std::string_view bytes, const OnEvent& on_event);

  /// The bytes are over. Gives the last event when all its lines are whole and only the empty line
  /// after it is missing: the specification drops it, but servers do close right after
  /// "data: [DONE]". Half a line is dropped. The reader is then as new.
  Result<void> finish(const OnEvent& on_event);

 private:
  Result<void> read(std::string_view bytes, const OnEvent& on_event);
  Result<void> end_line(const OnEvent& on_event);
  Result<void> add_field(std::string_view line);
  void dispatch(const OnEvent& on_event);

  SseLimits limits_;
  std::string line_;       // the line being read
  SseEvent event_;         // the event being read
  bool has_data_ = false;  // a data line may be empty
  bool at_start_ = true;
  bool after_cr_ = false;  // a line feed now belongs to the line before it
  std::optional<Error> failure_;
};

}  // namespace rapport::language
