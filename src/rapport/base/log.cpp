#include "rapport/base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "rapport/base/clock.h"
#include "rapport/base/text.h"

namespace rapport::base {
namespace {

constexpr std::string_view kHidden = "[hidden]";

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// What a key or token is made of.

bool is_key_character(char c) {
  return is_letter_or_digit(c) || c == '_' || c == '-';
}

/// RFC 6750's b64token.
bool is_bearer_character(char c) {
  return is_key_character(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}

bool starts_with_ignoring_case(std::string_view text, std::string_view lower_case_prefix) {
  return text.size() >= lower_case_prefix.size() &&
         std::ranges::equal(text.substr(0, lower_case_prefix.size()), lower_case_prefix, {},
                            to_lower);
}

template <typename Predicate>
std::size_t run_length(std::string_view text, Predicate belongs) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, belongs) - text.begin());
}

/// A secret at some place of a text: `shown` bytes that may stay, then `hidden` bytes that may not.
struct Secret {
  std::size_t shown = 0;
  std::size_t hidden = 0;
};

/// "rk_…" (ours) and "sk-…" (OpenAI's and its kin). After a letter or digit, "rk_" is rather the
/// end of a word ("work_directory"), unless as many characters follow as only a key has.
Secret api_key_at(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(at);
  if (!rest.starts_with("rk_") && !rest.starts_with("sk-")) return {};
  const std::string_view key = rest.substr(3);
  const bool starts_word = at == 0 || !is_letter_or_digit(text[at - 1]);
  const bool is_key = starts_word ? run_length(key, is_key_character) >= 8
                                  : run_length(key, is_letter_or_digit) >= 20;
  return is_key ? Secret{0, 3 + run_length(key, is_key_character)} : Secret{};
}

/// "Bearer …", and "Basic …" after "authorization:" only, since it is a common word.
Secret credentials_at(std::string_view text, std::size_t at) {
  constexpr std::array<std::string_view, 3> kSchemes = {"bearer", "authorization: basic",
                                                        "authorization:basic"};
  const std::string_view rest = text.substr(at);
  for (const std::string_view scheme : kSchemes) {
    if (!starts_with_ignoring_case(rest, scheme)) continue;
    const std::string_view after = rest.substr(scheme.size());
    std::size_t gap = run_length(after, [](char c) { return c == ' ' || c == '\t'; });
    if (after.starts_with("%20")) gap = 3;
    const std::size_t token = gap == 0 ? 0 : run_length(after.substr(gap), is_bearer_character);
    if (token > 0) return {scheme.size() + gap, token};
  }
  return {};
}

Secret secret_at(std::string_view text, std::size_t at) {
  switch (text[at]) {
    case 'r':
    case 's': return api_key_at(text, at);
    case 'a':
    case 'A':
    case 'b':
    case 'B': return credentials_at(text, at);
    default: return {};
  }
}

/// "upstream.api-key", "apiKey", "API_KEY" and "APIKey2" all have the words "api" and "key". "keys"
/// and "tokens" are not secret: they are what we count.
bool names_a_secret(std::string_view name) {
  static constexpr std::array<std::string_view, 13> kSecretWords = {
      "authorization", "key",    "apikey",  "token",      "password",   "passwords",  "secret",
      "secrets",       "cookie", "cookies", "passphrase", "credential", "credentials"};
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  std::string word;
  for (std::size_t i = 0; i <= name.size(); ++i) {
    const char c = i < name.size() ? name[i] : '.';
    const char previous = i > 0 ? name[i - 1] : '.';
    const char next = i + 1 < name.size() ? name[i + 1] : '.';
    const bool begins_word =
        is_upper(c) && (is_lower(previous) || (is_upper(previous) && is_lower(next)));
    const bool is_letter = is_upper(c) || is_lower(c);
    if (begins_word || !is_letter) {
      if (std::ranges::find(kSecretWords, word) != kSecretWords.end()) return true;
      word.clear();
    }
    if (is_letter) word += to_lower(c);
  }
  return false;
}

Json without_secrets(const Json& value) {
  if (value.is_string()) return hide_secrets(value.get_ref<const std::string&>());
  if (value.is_array()) {
    Json safe = Json::array();
    for (const Json& item : value) safe.push_back(without_secrets(item));
    return safe;
  }
  if (value.is_object()) {
    Json safe = Json::object();
    for (const auto& [key, item] : value.items())
      safe[hide_secrets(key)] = names_a_secret(key) ? Json(kHidden) : without_secrets(item);
    return safe;
  }
  return value;
}

/// A line stays one line, and nothing in it can move the cursor of a terminal.
std::string without_controls(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool is_c1 = c == 0xC2 && i + 1 < text.size() &&
                       static_cast<unsigned char>(text[i + 1]) < 0xA0;  // U+0080 to U+009F
    if (c == '\n') {
      safe += "\\n";
    } else if (c < 0x20 || c == 0x7F) {
      safe += fmt::format("\\x{:02x}", c);
    } else if (is_c1) {
      safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
    } else {
      safe += text[i];
    }
  }
  return safe;
}

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
    case LogLevel::kOff: return "off";
  }
  return "off";
}

/// "2026-11-23T14:53:40.123Z info    turn recorded response=resp_4k2 ms=3.2"
std::string human_line(std::string_view time, LogLevel level, std::string_view message,
                       const Json& fields) {
  std::string line = fmt::format("{} {:<7} {}", time, level_name(level), without_controls(message));
  for (const auto& [key, value] : fields.items()) {
    const bool is_plain = value.is_string() && !value.get_ref<const std::string&>().empty() &&
                          std::ranges::none_of(value.get_ref<const std::string&>(), [](char c) {
                            return c == ' ' || c == '"' || c == '=' || c == '\\';
                          });
    const std::string shown =
        is_plain ? to_valid_utf8(value.get_ref<const std::string&>()) : dump_json(value);
    line += fmt::format(" {}={}", without_controls(key), without_controls(shown));
  }
  return line;
}

std::string json_line(std::string_view time, LogLevel level, std::string_view message,
                      const Json& fields) {
  Json line = {{"time", time}, {"level", level_name(level)}, {"message", message}};
  for (const auto& [key, value] : fields.items())
    line[line.contains(key) ? "field_" + key : key] = value;
  return dump_json(line);
}

std::atomic<LogLevel> threshold{LogLevel::kWarning};
std::atomic<LogFormat> chosen_format{LogFormat::kHuman};

/// Lives for ever: something may still log while other statics are destroyed.
spdlog::logger& logger() {
  static auto* const instance = [] {
    auto* created =
        new spdlog::logger("rapport", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    created->set_pattern("%v");
    created->set_level(spdlog::level::trace);
    return created;
  }();
  return *instance;
}

}  // namespace

Result<LogLevel> parse_log_level(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError, LogLevel::kOff}) {
    if (text == level_name(level)) return level;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown log level \"{}\": expected debug, info, warning, error or off",
                          to_valid_utf8(text)));
}

Result<LogFormat> parse_log_format(std::string_view text) {
  if (text == "human") return LogFormat::kHuman;
  if (text == "json") return LogFormat::kJson;
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("unknown log format \"{}\": expected human or json", to_valid_utf8(text)));
}

void set_up_logging(LogLevel level, LogFormat format) {
  threshold = level;
  chosen_format = format;
}

void log(LogLevel level, std::string_view message, Json fields) {
  if (level < threshold.load(std::memory_order_relaxed) || level == LogLevel::kOff) return;
  const std::string time = iso8601(SystemClock{}.now());
  const std::string safe_message = hide_secrets(to_valid_utf8(message));
  const Json safe_fields =
      without_secrets(fields.is_object() ? fields : Json{{"fields", std::move(fields)}});
  const std::string line = chosen_format == LogFormat::kJson
                               ? json_line(time, level, safe_message, safe_fields)
                               : human_line(time, level, safe_message, safe_fields);
  // A view, not a format string: braces in the text mean nothing.
  logger().log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

std::string hide_secrets(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Secret secret = secret_at(text, at);
    if (secret.hidden == 0) {
      safe += text[at++];
    } else {
      safe += text.substr(at, secret.shown);
      safe += kHidden;
      at += secret.shown + secret.hidden;
    }
  }
  return safe;
}

}  // namespace rapport::base
