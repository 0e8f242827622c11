// Logging to stderr, for people or as JSON lines. Nothing personal, no secret: log ids, counts,
// durations.
//
//   log_info("turn recorded", {{"response", id}, {"ms", 3.2}});
#pragma once

#include <string>
#include <string_view>

#include "rapport/base/json.h"

namespace rapport::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat { kHuman, kJson };

Result<LogLevel> parse_log_level(std::string_view text);    // debug, info, warning, error, off
Result<LogFormat> parse_log_format(std::string_view text);  // human, json

/// Call once at start; before it, warnings and errors go to stderr for people. Thread-safe.
void set_up_logging(LogLevel level, LogFormat format);

/// `fields` is an object. Values under a key with a word that names a secret (authorization, key,
/// token, password, secret, cookie: "api_key", "upstreamToken", not "prompt_tokens") are replaced
/// by
/// "[hidden]", and so is anything that looks like one of our keys ("rk_…"), an upstream's ("sk-…")
/// or a bearer token inside the message or a value. One line each: control characters are escaped.
/// Thread-safe.
void log(LogLevel level, std::string_view message, Json fields = Json::object());
inline void log_debug(std::string_view message, Json fields = Json::object()) {
  log(LogLevel::kDebug, message, std::move(fields));
}
inline void log_info(std::string_view message, Json fields = Json::object()) {
  log(LogLevel::kInfo, message, std::move(fields));
}
inline void log_warning(std::string_view message, Json fields = Json::object()) {
  log(LogLevel::kWarning, message, std::move(fields));
}
inline void log_error(std::string_view message, Json fields = Json::object()) {
  log(LogLevel::kError, message, std::move(fields));
}

/// What `log` would do to a text: for tests, and for anything else that goes to a terminal or file.
std::string hide_secrets(std::string_view text);

}  // namespace rapport::base
