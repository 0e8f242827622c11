// From the text of an answer that may call tools to what the API says of it.
#pragma once

#include <memory>
#include <string>

#include "rapport/language/language_model.h"

struct common_chat_params;

namespace rapport::language {

/// Reads an answer as it grows. Not thread-safe.
class ToolCallStream {
 public:
  /// `seed` makes the calls' ids, so that a reproducible answer is so to the letter.
  ToolCallStream(const common_chat_params& format, std::uint64_t seed);
  ~ToolCallStream();
  ToolCallStream(const ToolCallStream&) = delete;
  ToolCallStream& operator=(const ToolCallStream&) = delete;

  /// What is new: text outside of calls, and tool-call deltas with `index` (null when none).
  Delta push(std::string_view text);
  /// The rest, when the answer is over.
  Delta finish();

  /// All calls so far, whole; null when there are none.
  Json tool_calls() const;
  /// All text outside of calls so far.
  const std::string& text() const { return text_; }

 private:
  struct Parser;
  Delta parse(bool partial);

  std::unique_ptr<Parser> parser_;
  std::string raw_;
  std::string text_;
};

}  // namespace rapport::language
