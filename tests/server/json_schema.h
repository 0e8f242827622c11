// The part of JSON Schema that our specification uses; a keyword it does not know is a fault, so
// that nothing passes for checked that is not.
#pragma once

#include <string>
#include <vector>

#include "rapport/base/json.h"

namespace rapport::testing {

/// What of `value` breaks `schema`, each as "/choices/0/index: …"; empty when all is well.
/// References are looked up in `document`.
std::vector<std::string> schema_faults(const Json& value, const Json& schema, const Json& document);

}  // namespace rapport::testing
