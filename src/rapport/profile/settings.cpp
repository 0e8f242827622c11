#include "rapport/profile/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "rapport/base/config.h"
#include "rapport/base/text.h"

namespace rapport::profile {
namespace {

constexpr std::size_t kMaxName = 100;           // bytes
constexpr std::size_t kMaxLanguage = 40;        // bytes
constexpr std::size_t kMaxInstructions = 2000;  // bytes: about the personal share of a 4k context
constexpr std::size_t kMaxCategories = 500;     // bytes: some 40 of them
constexpr std::size_t kMaxDomains = 32;

struct Word {
  std::string_view value;
  std::string_view sentence;
};

// One row a field: how the API calls it, where it is kept, which words it may take (none: free text
// of `max_bytes`), and what each of them says in a prompt. Everything else in this file walks this
// table.
struct Field {
  std::string_view key;
  std::string Preferences::*member;
  std::size_t max_bytes;
  std::vector<Word> words;
};

const std::array<Field, 11>& fields() {
  static const std::array<Field, 11> table{{
      {"name", &Preferences::name, kMaxName, {}},
      {"language", &Preferences::language, kMaxLanguage, {}},
      {"tone",
       &Preferences::tone,
       0,
       {{"neutral", "Use a neutral tone."},
        {"friendly", "Use a warm, friendly tone."},
        {"formal", "Use a formal, polite tone."},
        {"playful", "Use a playful, light tone."},
        {"direct", "Be direct; leave out pleasantries."}}},
      {"length",
       &Preferences::length,
       0,
       {{"brief", "Keep answers brief: a few sentences at most."},
        {"medium", "Answer at medium length."},
        {"long", "Answer at length."}}},
      {"detail",
       &Preferences::detail,
       0,
       {{"low", "Give only the essentials."},
        {"medium", "Give the important details."},
        {"high", "Go into detail and give examples."}}},
      {"format",
       &Preferences::format,
       0,
       {{"plain", "Write plain text without Markdown."},
        {"markdown", "Format answers as Markdown."},
        {"bullets", "Answer in bullet points."},
        {"steps", "Answer in numbered steps."}}},
      {"expertise",
       &Preferences::expertise,
       0,
       {{"beginner", "Explain as to a beginner; avoid jargon."},
        {"intermediate", "Assume some knowledge of the subject."},
        {"expert", "Assume expert knowledge of the subject."}}},
      {"accessibility",
       &Preferences::accessibility,
       0,
       {{"plain_language", "Use plain language: short words and short sentences."},
        {"screen_reader", "Write for a screen reader: no tables, no symbols for decoration."},
        {"dyslexia", "Use short paragraphs and simple sentences."}}},
      {"favourite_categories", &Preferences::favourite_categories, kMaxCategories, {}},
      {"avoided_categories", &Preferences::avoided_categories, kMaxCategories, {}},
      {"instructions", &Preferences::instructions, kMaxInstructions, {}},
  }};
  return table;
}

std::string path(const std::string& prefix, std::string_view key) {
  return prefix.empty() ? std::string(key) : prefix + "." + std::string(key);
}

tl::unexpected<Error> unknown_key(const std::string& prefix, const std::string& key,
                                  std::vector<std::string> known) {
  const std::string near = base::nearest(key, known);
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("settings have no field \"{}\"{}", path(prefix, key),
                          near.empty() ? fmt::format("; known are {}", fmt::join(known, ", "))
                                       : fmt::format(": did you mean \"{}\"?", near)),
              path(prefix, key));
}

Result<void> set_field(Preferences& preferences, const Field& field, const Json& value,
                       const std::string& where) {
  if (!value.is_string()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} must be a string, not {}", where, value.type_name()), where);
  }
  const std::string text{base::trim(value.get_ref<const std::string&>())};
  if (!field.words.empty()) {
    std::vector<std::string> allowed;
    for (const Word& word : field.words) allowed.emplace_back(word.value);
    if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} must be one of {}, not \"{}\"", where, fmt::join(allowed, ", "),
                              base::truncate(text, 60)),
                  where);
    }
  } else if (text.size() > field.max_bytes) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is {} bytes long; at most {} are kept", where, text.size(),
                            field.max_bytes),
                where);
  }
  preferences.*field.member = text;
  return {};
}

const Field* find_field(std::string_view key) {
  for (const Field& field : fields()) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

std::vector<std::string> field_names(std::vector<std::string> names) {
  for (const Field& field : fields()) names.emplace_back(field.key);
  return names;
}

Result<Preferences> parse_preferences(const Json& json, const std::string& prefix) {
  if (!json.is_object()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} must be an object, not {}", prefix, json.type_name()), prefix);
  }
  Preferences preferences;
  for (const auto& [key, value] : json.items()) {
    const Field* field = find_field(key);
    if (field == nullptr) return unknown_key(prefix, key, field_names({}));
    TRY_VOID(set_field(preferences, *field, value, path(prefix, key)));
  }
  return preferences;
}

Json to_json(const Preferences& preferences) {
  Json json = Json::object();
  for (const Field& field : fields()) {
    if (const std::string& value = preferences.*field.member; !value.empty()) {
      json[std::string(field.key)] = value;
    }
  }
  return json;
}

Result<Degree> parse_degree(const Json& value) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0 ||
      value.get<std::int64_t>() > 3) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("degree must be 0 (generic), 1 (settings), 2 (profile) or 3 (memory), "
                            "not {}",
                            base::truncate(base::dump_json(value), 60)),
                "degree");
  }
  return static_cast<Degree>(value.get<std::int64_t>());
}

}  // namespace

Preferences Settings::effective(const std::string& domain) const {
  Preferences result = general;
  if (const auto found = domains.find(domain); found != domains.end()) {
    for (const Field& field : fields()) {
      if (const std::string& own = found->second.*field.member; !own.empty()) {
        result.*field.member = own;
      }
    }
  }
  return result;
}

std::vector<SettingInstruction> instructions(const Preferences& preferences) {
  std::vector<SettingInstruction> result;
  for (const Field& field : fields()) {
    const std::string& value = preferences.*field.member;
    if (value.empty()) continue;
    std::string sentence;
    if (field.key == "name") {
      sentence = fmt::format("The user's name is {}.", value);
    } else if (field.key == "language") {
      sentence = fmt::format("Answer in {}.", value);
    } else if (field.key == "favourite_categories") {
      sentence = fmt::format("The user likes these genres or categories: {}.", value);
    } else if (field.key == "avoided_categories") {
      sentence = fmt::format("Suggest nothing of these genres or categories: {}.", value);
    } else if (field.key == "instructions") {
      sentence = value;
    } else {
      for (const Word& word : field.words) {
        if (word.value == value) sentence = word.sentence;
      }
    }
    result.push_back({std::string(field.key), value, std::move(sentence)});
  }
  return result;
}

std::vector<std::string> list_of(const std::string& setting) {
  std::vector<std::string> members;
  for (std::size_t from = 0; from <= setting.size();) {
    const std::size_t comma = std::min(setting.find(',', from), setting.size());
    const std::string_view member =
        base::trim(std::string_view(setting).substr(from, comma - from));
    if (!member.empty()) members.emplace_back(member);
    from = comma + 1;
  }
  return members;
}

Result<Settings> parse_settings(const Json& json) {
  if (!json.is_object()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("settings must be an object, not {}", json.type_name()));
  }
  Settings settings;
  for (const auto& [key, value] : json.items()) {
    if (key == "degree") {
      TRY(settings.degree, parse_degree(value));
    } else if (key == "domains") {
      if (!value.is_object()) {
        return fail(ErrorCode::kInvalidArgument, "domains must be an object of domain → settings",
                    "domains");
      }
      if (value.size() > kMaxDomains) {
        return fail(
            ErrorCode::kInvalidArgument,
            fmt::format("domains has {} entries; at most {} are kept", value.size(), kMaxDomains),
            "domains");
      }
      for (const auto& [domain, preferences] : value.items()) {
        if (domain.empty() || domain.size() > kMaxName) {
          return fail(ErrorCode::kInvalidArgument,
                      fmt::format("a domain's name has 1 to {} bytes", kMaxName), "domains");
        }
        TRY(settings.domains[domain], parse_preferences(preferences, "domains." + domain));
      }
    } else if (const Field* field = find_field(key)) {
      TRY_VOID(set_field(settings.general, *field, value, key));
    } else {
      return unknown_key("", key, field_names({"degree", "domains"}));
    }
  }
  return settings;
}

Json to_json(const Settings& settings) {
  Json json = to_json(settings.general);
  if (settings.degree) json["degree"] = static_cast<int>(*settings.degree);
  if (!settings.domains.empty()) {
    Json domains = Json::object();
    for (const auto& [domain, preferences] : settings.domains) {
      domains[domain] = to_json(preferences);
    }
    json["domains"] = std::move(domains);
  }
  return json;
}

Result<Settings> patch_settings(const Settings& current, const Json& patch) {
  if (!patch.is_object()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the patch must be an object of settings, not {}", patch.type_name()));
  }
  // Unsetting what does not exist is refused as setting it is: a client's typing error must not
  // pass as success.
  for (const auto& [key, value] : patch.items()) {
    if (key != "degree" && key != "domains" && find_field(key) == nullptr) {
      return unknown_key("", key, field_names({"degree", "domains"}));
    }
  }
  Json merged = to_json(current);
  merged.merge_patch(patch);
  // A domain whose last field went away is gone itself.
  if (merged.contains("domains") && merged["domains"].is_object()) {
    Json kept = Json::object();
    for (const auto& [domain, preferences] : merged["domains"].items()) {
      if (!preferences.is_object() || !preferences.empty()) kept[domain] = preferences;
    }
    merged["domains"] = std::move(kept);
  }
  return parse_settings(merged);
}

}  // namespace rapport::profile
