// Members of JSON from a file, whose types nobody vouches for.
#pragma once

#include <string>

#include "rapport/base/json.h"

namespace rapport::base {

/// A member of `json` of this type, or null.
inline const Json* member(const Json& json, const char* name, bool (Json::*is)() const noexcept) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(name);
  return found != json.end() && ((*found).*is)() ? &*found : nullptr;
}

/// A text; "" where there is none.
inline std::string text_member(const Json& json, const char* name) {
  const Json* found = member(json, name, &Json::is_string);
  return found == nullptr ? "" : found->get<std::string>();
}

}  // namespace rapport::base
