#include "rapport/retrieval/sizes.h"

#include <fmt/format.h>

namespace rapport::retrieval {

Result<void> check_sizes(std::span<const Size> sizes) {
  for (const Size& size : sizes) {
    if (*size.value < size.minimum || *size.value > size.maximum)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is {}: expected {} to {}", size.name, *size.value, size.minimum,
                              size.maximum),
                  size.name);
  }
  return {};
}

Result<void> check_divides(const char* name, std::int64_t value, const char* of_name,
                           std::int64_t of) {
  if (of % value != 0)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is {}: expected a divisor of {}, {}", name, value, of_name, of),
                name);
  return {};
}

Json sizes_to_json(std::span<const Size> sizes) {
  Json json = Json::object();
  for (const Size& size : sizes) json[size.name] = *size.value;
  return json;
}

Result<void> read_sizes(std::string_view kind, const Json& json, std::span<const Size> sizes) {
  for (const Size& size : sizes) {
    if (!json.is_object() || !json.contains(size.name) || !json[size.name].is_number_integer())
      return fail(ErrorCode::kCorrupt, fmt::format("the options of {} lack {}", kind, size.name));
    *size.value = json[size.name].get<std::int64_t>();
  }
  return {};
}

}  // namespace rapport::retrieval
