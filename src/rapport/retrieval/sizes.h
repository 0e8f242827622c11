// The sizes that a model's weights follow from: checked, and kept in its directory, by name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::retrieval {

struct Size {
  const char* name;
  std::int64_t* value;
  std::int64_t minimum, maximum;
};

/// Errors: kInvalidArgument naming the size that is out of range (param: its name).
Result<void> check_sizes(std::span<const Size> sizes);
/// Errors: kInvalidArgument where `value` is no divisor of `of` (param: `name`).
Result<void> check_divides(const char* name, std::int64_t value, const char* of_name,
                           std::int64_t of);
/// {"name": value, …}
Json sizes_to_json(std::span<const Size> sizes);
/// Sets every value from the options of a model of `kind`; the ranges are check_sizes' to judge.
/// Errors: kCorrupt naming the size that is missing.
Result<void> read_sizes(std::string_view kind, const Json& json, std::span<const Size> sizes);

}  // namespace rapport::retrieval
