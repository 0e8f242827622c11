// Starts llama.cpp once in a process and listens to its log.
//
//   TRY_VOID(start_llama_runtime());
//   LlamaLogCapture log;
//   if (llama_model_load_from_file(…) == nullptr)
//     return fail(ErrorCode::kCorrupt, path + " cannot be loaded: " + log.last_error());
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "rapport/base/result.h"

namespace rapport::language {

/// Loads llama.cpp's compute backends (the library for this CPU's family is chosen among those that
/// lie beside libllama) and sends its log to ours: information as debug, warnings and errors as
/// warnings. The first call does it, later ones return what it returned. Thread-safe. Errors:
/// kUnavailable when no backend is found.
Result<void> start_llama_runtime();

/// "0.5.0", or what the loaded library says.
std::string llama_version_text();

/// One whole line of llama.cpp's log, for the innermost capture of this thread.
void take_llama_log_line(bool error, std::string_view line);

/// What llama.cpp logs on this thread while it lives. Many of its functions say only in the log why
/// they failed. Captures nest; the innermost gets the lines, and what it gets goes to our log as
/// debug only.
class LlamaLogCapture {
 public:
  /// `on_line` gets each whole line, without its newline.
  explicit LlamaLogCapture(std::function<void(std::string_view)> on_line = {});
  ~LlamaLogCapture();
  LlamaLogCapture(const LlamaLogCapture&) = delete;
  LlamaLogCapture& operator=(const LlamaLogCapture&) = delete;

  /// The last error line, "no reason given" when there was none.
  std::string last_error() const;

 private:
  friend void take_llama_log_line(bool error, std::string_view line);

  std::function<void(std::string_view)> on_line_;
  std::string last_error_;
  LlamaLogCapture* outer_;
};

}  // namespace rapport::language
