// The one JSON style of the project: ordered (an application's own object goes on in the order it
// came) and parsed with bounds.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "rapport/base/result.h"

namespace rapport {

using Json = nlohmann::ordered_json;

namespace base {

struct JsonLimits {
  std::size_t max_bytes = 8u << 20;  // bytes of text
  std::size_t max_depth = 64;        // nested arrays and objects; checked before anything recurses
  /// Members of one object. Json keeps them in a list and looks through it for each new key, so n
  /// members take n²/2 steps: without a bound 8 MB of `"a":0,` would take minutes. All objects of a
  /// text together may take the steps of one of this size, by default some 0.1 s.
  std::size_t max_members = 4096;
};

/// Parses UTF-8 JSON. `what` names the source in errors ("request body"). Depth and members are
/// checked by one flat scan before parsing, so that hostile nesting costs no stack. A key that
/// comes twice keeps its first place and its last value. An integer beyond 64 bits becomes a
/// double; a number beyond a double is an error. Errors: kInvalidArgument "request body: byte 17:
/// …" (never quoting the text), kTooLarge beyond `max_bytes`.
Result<Json> parse_json(std::string_view text, std::string_view what,
                        const JsonLimits& limits = {});

/// One line; invalid UTF-8 is replaced by U+FFFD, so it never throws.
std::string dump_json(const Json& value);

}  // namespace base
}  // namespace rapport
