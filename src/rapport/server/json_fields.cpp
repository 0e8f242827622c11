#include "rapport/server/json_fields.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>
#include <vector>

#include "rapport/base/config.h"
#include "rapport/base/text.h"

namespace rapport::server {
namespace {

constexpr std::size_t kShownKey = 64;

}  // namespace

Fields::Fields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  assert(object_.is_object());
}

std::string Fields::path_of(std::string_view key) const {
  // A client's own key may be as long as the body; the error need not be.
  const std::string_view shown = base::truncate(key, kShownKey);
  return path_.empty() ? std::string(shown) : fmt::format("{}.{}", path_, shown);
}

tl::unexpected<Error> Fields::wrong(std::string_view key, std::string_view expected) const {
  const auto found = object_.find(key);
  const std::string field = path_of(key);
  if (found == object_.end() || found->is_null())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is missing: expected {}", field, expected), field);
  const std::string_view type = type_name(*found);
  const bool scalar = found->is_number() || found->is_boolean();
  return fail(ErrorCode::kInvalidArgument,
              scalar
                  ? fmt::format("{} is {}: expected {}", field, base::dump_json(*found), expected)
                  : fmt::format("{} is {}: expected {}", field, type, expected),
              field);
}

const Json* Fields::any(std::string_view key) {
  // Also when it is not there: it is known, and may be what another key was meant to be.
  read_.emplace(key);
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

Result<std::optional<bool>> Fields::boolean(std::string_view key) {
  const Json* value = any(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) return wrong(key, "true or false");
  return value->get<bool>();
}

Result<std::optional<std::int64_t>> Fields::integer(std::string_view key, std::int64_t minimum,
                                                    std::int64_t maximum) {
  const Json* value = any(key);
  if (value == nullptr) return std::nullopt;
  const std::string expected = fmt::format("a whole number from {} to {}", minimum, maximum);
  // 5.0 is written by languages that know one kind of number only. A double holds whole numbers
  // exactly up to 2^53.
  if (value->is_number_float()) {
    const double real = value->get<double>();
    if (!(std::abs(real) <= 0x1p53) || std::trunc(real) != real) return wrong(key, expected);
    const auto whole = static_cast<std::int64_t>(real);
    if (whole < minimum || whole > maximum) return wrong(key, expected);
    return whole;
  }
  if (!value->is_number_integer()) return wrong(key, expected);
  if (value->is_number_unsigned() &&
      value->get<std::uint64_t>() >
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return wrong(key, expected);
  const auto whole = value->get<std::int64_t>();
  if (whole < minimum || whole > maximum) return wrong(key, expected);
  return whole;
}

Result<std::optional<double>> Fields::number(std::string_view key, double minimum, double maximum) {
  const Json* value = any(key);
  if (value == nullptr) return std::nullopt;
  const auto real = value->is_number() ? value->get<double>() : std::nan("");
  // Written as "not inside" so that NaN is refused too.
  if (!(real >= minimum && real <= maximum))
    return wrong(key, fmt::format("a number from {} to {}", minimum, maximum));
  return real;
}

Result<std::optional<std::string>> Fields::string(std::string_view key, std::size_t max_bytes) {
  const Json* value = any(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return wrong(key, "a string");
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > max_bytes)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} bytes: at most {}", path_of(key), text.size(), max_bytes),
                path_of(key));
  return text;
}

Result<const Json*> Fields::array(std::string_view key) {
  const Json* value = any(key);
  if (value != nullptr && !value->is_array()) return wrong(key, "an array");
  return value;
}

Result<const Json*> Fields::object(std::string_view key) {
  const Json* value = any(key);
  if (value != nullptr && !value->is_object()) return wrong(key, "an object");
  return value;
}

Json Fields::rest() const {
  Json rest = Json::object();
  for (const auto& [key, value] : object_.items()) {
    if (!read_.contains(key) && !value.is_null()) rest[key] = value;
  }
  return rest;
}

Result<void> Fields::refuse_rest() const {
  for (const auto& [key, value] : object_.items()) {
    if (read_.contains(key)) continue;
    const std::string near = base::nearest(base::truncate(key, kShownKey),
                                           std::vector<std::string>(read_.begin(), read_.end()));
    return fail(ErrorCode::kInvalidArgument,
                near.empty() ? fmt::format("{} is not known here: leave it out", path_of(key))
                             : fmt::format("{} is not known here: did you mean {}?", path_of(key),
                                           path_of(near)),
                path_of(key), "unknown_parameter");
  }
  return {};
}

std::string_view type_name(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::boolean: return "a boolean";
    case Json::value_t::string: return "a string";
    case Json::value_t::array: return "an array";
    case Json::value_t::object: return "an object";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float: return "a number";
    case Json::value_t::binary:
    case Json::value_t::discarded: return "not JSON";
  }
  return "not JSON";
}

Result<Json> parse_body(std::string_view body) {
  if (body.empty())
    return fail(ErrorCode::kInvalidArgument, "the request has no body: send a JSON object");
  TRY(Json json, base::parse_json(body, "request body", {.max_bytes = body.size()}));
  if (!json.is_object())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the request body is {}: expected a JSON object", type_name(json)));
  return json;
}

}  // namespace rapport::server
