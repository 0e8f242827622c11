// A JSON array of any length, element by element, in bounded memory.
//
//   TRY_VOID(read_json_array(file, "conversations.json", {}, [&](Json element, std::int64_t index)
//   {
//     return keep(element);
//   }));
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <string_view>

#include "rapport/base/json.h"

namespace rapport::base {

struct JsonElementLimits {
  std::uint64_t max_bytes = std::uint64_t{64} << 20;  // of one element's text
  std::size_t max_depth = 64;
};

/// Calls `take` for each element; stops at its first error. Errors: kInvalidArgument "what: byte
/// 17: …" (never quoting the text) for what is no array or is cut off; kTooLarge for an element
/// beyond the limits; kInvalidArgument where the stream itself fails (a damaged archive).
Result<void> read_json_array(
    std::istream& stream, std::string_view what, const JsonElementLimits& limits,
    const std::function<Result<void>(Json element, std::int64_t index)>& take);

}  // namespace rapport::base
