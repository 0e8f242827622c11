#include "rapport/base/json.h"

#include <fmt/format.h>

#include <vector>

namespace rapport::base {
namespace {

/// One open array or object, as the flat scan sees it.
struct Container {
  bool is_object = false;
  std::size_t commas = 0;
};

tl::unexpected<Error> refuse(ErrorCode code, std::string_view what, std::size_t offset,
                             std::string_view reason) {
  return fail(code, fmt::format("{}: byte {}: {}", what, offset, reason));
}

/// Holds the text to the limits that the parser itself does not know. Strings and escapes are
/// respected; everything else about the grammar is left to the parser, so malformed text may pass.
Result<void> check_shape(std::string_view text, std::string_view what, const JsonLimits& limits) {
  std::vector<Container> open;
  const std::size_t max_member_steps = limits.max_members * (limits.max_members - 1) / 2;
  bool in_string = false;
  std::size_t member_steps = 0;  // to find each key among those before it
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    // The parser takes NUL for the end of the text and would accept whatever follows it.
    if (c == '\0')
      return refuse(ErrorCode::kInvalidArgument, what, i, "a NUL byte, which JSON has to escape");
    if (in_string) {
      if (c == '\\') {
        // Skipping an escaped NUL must not hide it from the check above.
        if (i + 1 < text.size() && text[i + 1] != '\0') ++i;
      } else if (c == '"') {
        in_string = false;
      }
      continue;
    }
    switch (c) {
      case '"': in_string = true; break;
      case '[':
      case '{':
        if (open.size() == limits.max_depth) {
          return refuse(ErrorCode::kInvalidArgument, what, i,
                        fmt::format("arrays and objects are nested deeper than {} levels, the most "
                                    "that is accepted",
                                    limits.max_depth));
        }
        open.push_back({.is_object = c == '{'});
        break;
      case ']':
      case '}':
        if (!open.empty()) open.pop_back();
        break;
      case ',':
        if (open.empty()) break;
        member_steps += open.back().is_object ? ++open.back().commas : 0;
        if (member_steps > max_member_steps) {
          return refuse(ErrorCode::kInvalidArgument, what, i,
                        fmt::format("its objects have too many members: one may have {}, and "
                                    "several that are nearly as large may not come together",
                                    limits.max_members));
        }
        break;
      default: break;
    }
  }
  return {};
}

/// Accepts everything and remembers where and why the parser gave up: unlike the exceptions, this
/// interface tells the offset for every kind of fault.
class FaultLocator final : public nlohmann::json_sax<Json> {
 public:
  std::size_t offset() const { return offset_; }
  const std::string& reason() const { return reason_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& fault) override {
    // The parser counts from 1 and has read the offending byte.
    offset_ = position == 0 ? 0 : position - 1;
    reason_ = short_reason(fault);
    return false;
  }

 private:
  /// The library's sentence without its preamble, and without the text it had read last: that can
  /// be a user's words.
  static std::string short_reason(const nlohmann::detail::exception& fault) {
    if (fault.id == 406) return "a number is too large for a double";
    std::string_view text = fault.what();
    if (const auto dash = text.find(" - "); dash != std::string_view::npos)
      text.remove_prefix(dash + 3);
    return std::string(text.substr(0, text.find("; last read: ")));
  }

  std::size_t offset_ = 0;
  std::string reason_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(ErrorCode::kTooLarge,
                fmt::format("{}: {} bytes, more than the {} that are accepted", what, text.size(),
                            limits.max_bytes));
  }
  TRY_VOID(check_shape(text, what, limits));
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    FaultLocator locator;
    Json::sax_parse(text, &locator);
    return refuse(ErrorCode::kInvalidArgument, what, locator.offset(), locator.reason());
  }
  return value;
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace rapport::base
