// Options as the JSON that files keep: every one by its key.
#pragma once

#include <string>
#include <string_view>

#include "rapport/base/config.h"
#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::palr {

/// {"best": 50, …}
inline Json option_json(const base::OptionSet& set) {
  Json json = Json::object();
  for (const auto& option : set.options()) json[option.key] = base::OptionSet::value(option);
  return json;
}

/// Of a struct that describes itself.
template <typename Options>
Json option_json(Options options) {
  base::OptionSet set;
  options.describe(set);
  return option_json(set);
}

/// The other way round. Errors: those of OptionSet::assign.
inline Result<void> assign_json(base::OptionSet& set, const Json& json) {
  for (const auto& [key, value] : json.items()) {
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (value.is_array()) {
      text.clear();
      for (const Json& each : value)
        text +=
            (text.empty() ? "" : ",") + (each.is_string() ? each.get<std::string>() : each.dump());
    }
    TRY_VOID(set.assign(key, text, "file"));
  }
  return {};
}

/// Of a struct that describes and checks itself; `what` is for messages. Errors: kCorrupt, where it
/// is no such object.
template <typename Options>
Result<Options> options_from_json(const Json& json, std::string_view what) {
  if (!json.is_object()) return fail(ErrorCode::kCorrupt, std::string(what) + " is no JSON object");
  Options options;
  base::OptionSet set;
  options.describe(set);
  auto sound = assign_json(set, json);
  if (sound) sound = options.check();
  if (!sound) return fail(ErrorCode::kCorrupt, sound.error().message);
  return options;
}

}  // namespace rapport::palr
