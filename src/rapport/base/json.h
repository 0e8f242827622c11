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
};

/// Parses UTF-8 JSON. `what` names the source in errors ("request body"). Depth is checked by one
/// flat scan before parsing, so that hostile nesting costs no stack. Errors: kInvalidArgument with
/// byte offset, kTooLarge.
Result<Json> parse_json(std::string_view text, std::string_view what,
                        const JsonLimits& limits = {});

/// One line; invalid UTF-8 is replaced by U+FFFD, so it never throws.
std::string dump_json(const Json& value);

}  // namespace base
}  // namespace rapport
