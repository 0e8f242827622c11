// What a user has set about how they want to be answered. Explicit, and always stronger than
// anything inferred.
//
//   TRY(Settings settings, parse_settings(store.settings(user)));
//   for (const std::string& line : settings.instructions_for(domain)) …   // "Answer in Spanish."
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::profile {

/// How far personalisation may go (paper §6.5). Each includes the ones before it.
enum class Degree : std::int8_t {
  kGeneric = 0,   // nothing is used, nothing is kept
  kSettings = 1,  // what the user set
  kProfile = 2,   // and what is known of the user
  kMemory = 3,    // and what was said before, and personal adapters
};

/// The fields of one scope; empty means "not set".
struct Preferences {
  std::string name;                  // what to call the user: "Sam"
  std::string language;              // as the user wrote it: "Spanish", "es"
  std::string tone;                  // neutral, friendly, formal, playful, direct
  std::string length;                // brief, medium, long
  std::string detail;                // low, medium, high
  std::string format;                // plain, markdown, bullets, steps
  std::string expertise;             // beginner, intermediate, expert
  std::string accessibility;         // plain_language, screen_reader, dyslexia
  std::string favourite_categories;  // of what is recommended, separated by commas: "Comedy, Drama"
  std::string avoided_categories;    // the same: never recommended
  std::string instructions;          // the user's own words, at most 2,000 bytes

  bool operator==(const Preferences&) const = default;
};

struct Settings {
  std::optional<Degree> degree;  // the configured default when not set
  Preferences general;
  std::map<std::string, Preferences>
      domains;  // a field set here wins over `general` in that domain

  /// The fields in effect in `domain` ("" is none in particular).
  Preferences effective(const std::string& domain) const;
  bool operator==(const Settings&) const = default;
};

/// One setting in effect, as the prompt will say it: {"length", "brief", "Keep answers brief."}.
struct SettingInstruction {
  std::string key;
  std::string value;
  std::string sentence;
};
std::vector<SettingInstruction> instructions(const Preferences& preferences);

/// The members of a list setting: "Comedy, Sci-Fi" → {"Comedy", "Sci-Fi"}, without empty ones.
std::vector<std::string> list_of(const std::string& setting);

/// Strict: unknown keys are refused with the nearest known one, values outside a list with the
/// list. {"degree": 0..3, "name", "language", …, "domains": {"cooking": {…}}}; `param` of the error
/// is the field's path.
Result<Settings> parse_settings(const Json& json);
Json to_json(const Settings& settings);
/// JSON merge patch (RFC 7396): null unsets a field. Returns the new settings; `current` is
/// unchanged on error.
Result<Settings> patch_settings(const Settings& current, const Json& patch);

}  // namespace rapport::profile
