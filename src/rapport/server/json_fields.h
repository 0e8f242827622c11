// Typed members of a JSON object out of a request. Each reader says what is wrong with which field;
// what nobody read is left over, to be refused or passed on.
//
//   Fields fields(body);
//   TRY(const auto temperature, fields.number("temperature", 0, 2));
//   TRY_VOID(fields.refuse_rest());
//
// null counts as left out, as in OpenAI's API.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::server {

class Fields {
 public:
  /// `object` must be one and outlive this. `path` goes before the names in errors:
  /// "stream_options".
  explicit Fields(const Json& object, std::string path = {});

  // Errors: kInvalidArgument with the field's path as param.
  Result<std::optional<bool>> boolean(std::string_view key);
  Result<std::optional<std::int64_t>> integer(std::string_view key, std::int64_t minimum,
                                              std::int64_t maximum);
  Result<std::optional<double>> number(std::string_view key, double minimum, double maximum);
  Result<std::optional<std::string>> string(
      std::string_view key, std::size_t max_bytes = std::numeric_limits<std::size_t>::max());
  /// The member itself when it is an array (an object); nullptr when left out.
  Result<const Json*> array(std::string_view key);
  Result<const Json*> object(std::string_view key);
  /// Of any type; nullptr when left out.
  const Json* any(std::string_view key);

  /// What was not read, in the order it came; without nulls.
  Json rest() const;
  /// kInvalidArgument that names the first member nobody read, and the nearest known one.
  Result<void> refuse_rest() const;

  std::string path_of(std::string_view key) const;
  tl::unexpected<Error> wrong(std::string_view key, std::string_view expected) const;

 private:
  const Json& object_;
  const std::string path_;
  std::set<std::string, std::less<>> read_;
};

/// "null", "a boolean", "a number", "a string", "an array", "an object".
std::string_view type_name(const Json& value);

/// The body as an object, or kInvalidArgument. Its size is bounded where it is read.
Result<Json> parse_body(std::string_view body);

}  // namespace rapport::server
