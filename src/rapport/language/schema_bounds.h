// Which JSON schemas may become a grammar. llama.cpp follows all readings of an ambiguous pattern
// at once, on the thread that serves everybody: of "^(a?){500}$" there are more than it can ever
// look at. Such a schema is refused before it gets there.
//
//   TRY_VOID(check_patterns(schema, "response_format"));
#pragma once

#include <string>
#include <string_view>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::language {

/// How many parts of a regular expression can come next at once, where that is most: parts that may
/// be missing side by side, each copy of a counted repetition, alternatives that begin alike and
/// repeat. "^[a-z]{1,64}$" has 1, "^a?b?$" 2, "^(a?){500}$" 500. At most `kMostReadings`; a
/// pattern nested deeper than 32 groups has that many too.
int readings(std::string_view pattern);
inline constexpr int kMostReadings = 1'000'000;

/// Refuses a schema (or anything that holds some) with a `pattern` of more than 8 readings. Errors:
/// kUnsupported, naming the pattern and `param`.
Result<void> check_patterns(const Json& schema, const std::string& param);

}  // namespace rapport::language
