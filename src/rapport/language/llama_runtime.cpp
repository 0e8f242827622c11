#include "rapport/language/llama_runtime.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <ggml-backend.h>
#include <llama.h>
#include <log.h>

#include <filesystem>
#include <system_error>

#include "rapport/base/log.h"

namespace rapport::language {
namespace {

thread_local LlamaLogCapture* innermost_capture = nullptr;

/// The folder that the build linked against, if it is still there; otherwise the one the running
/// program loaded libllama from, so that an installed program works.
std::filesystem::path library_folder() {
#ifdef RAPPORT_LLAMA_LIBRARY_DIR
  std::error_code ignored;
  if (std::filesystem::is_directory(RAPPORT_LLAMA_LIBRARY_DIR, ignored))
    return RAPPORT_LLAMA_LIBRARY_DIR;
#endif
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&llama_backend_init), &info) != 0 &&
      info.dli_fname != nullptr)
    return std::filesystem::path(info.dli_fname).parent_path();
  return ".";
}

/// llama.cpp logs in fragments; a line is passed on when its newline comes. The state is per thread
/// because several of its threads log at once.
void on_llama_log(ggml_log_level level, const char* text, void*) {
  thread_local std::string pending;
  thread_local ggml_log_level pending_level = GGML_LOG_LEVEL_INFO;
  if (text == nullptr) return;
  if (level != GGML_LOG_LEVEL_CONT) pending_level = level;
  pending += text;
  for (std::size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
    const std::string line = pending.substr(0, end);
    pending.erase(0, end + 1);
    // A row of dots is llama.cpp's own progress bar.
    if (line.find_first_not_of(". ") == std::string::npos) continue;
    take_llama_log_line(pending_level == GGML_LOG_LEVEL_ERROR, line);
    // Under a capture the reason goes into an Error, which is reported once, by whoever handles it.
    const bool warn = innermost_capture == nullptr && (pending_level == GGML_LOG_LEVEL_WARN ||
                                                       pending_level == GGML_LOG_LEVEL_ERROR);
    base::log(warn ? base::LogLevel::kWarning : base::LogLevel::kDebug, "llama.cpp: " + line);
  }
}

Result<void> start_once() {
  llama_log_set(&on_llama_log, nullptr);
  // libllama-common writes to the terminal itself and has no callback; what it has to say it also
  // throws.
  common_log_set_verbosity_thold(-1);
  const std::string folder = library_folder().string();
  ggml_backend_load_all_from_path(folder.c_str());
  if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == nullptr) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("no llama.cpp CPU backend (libggml-cpu-*.so) in {}: run scripts/setup, "
                            "or build with -DLLAMA_DIR=DIR",
                            folder));
  }
  llama_backend_init();
  return {};
}

}  // namespace

void take_llama_log_line(bool error, std::string_view line) {
  if (innermost_capture == nullptr) return;
  if (error) innermost_capture->last_error_ = std::string(line);
  if (innermost_capture->on_line_) innermost_capture->on_line_(line);
}

Result<void> start_llama_runtime() {
  static const Result<void> started = start_once();
  return started;
}

std::string llama_version_text() {
  const char* version = llama_version();
  return version != nullptr ? version : "unknown";
}

LlamaLogCapture::LlamaLogCapture(std::function<void(std::string_view)> on_line)
    : on_line_(std::move(on_line)), outer_(innermost_capture) {
  innermost_capture = this;
}

LlamaLogCapture::~LlamaLogCapture() {
  innermost_capture = outer_;
}

std::string LlamaLogCapture::last_error() const {
  return last_error_.empty() ? "no reason given" : last_error_;
}

}  // namespace rapport::language
