#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "rapport/server/json_fields.h"
#include "rapport/server/openai_chat.h"

namespace rapport::server {
namespace {

// The longest conversation that any official client sends is far below; what is above is a mistake
// or an attack on those who loop over it.
constexpr std::size_t kMaxMessages = 10'000;
constexpr std::size_t kMaxParts = 1'000;

constexpr std::array<std::string_view, 6> kRoles = {"system",    "developer", "user",
                                                    "assistant", "tool",      "function"};

/// Member that a part of this type must have, and of which JSON type.
struct PartRule {
  std::string_view type;
  std::string_view member;
  Json::value_t kind;
  std::string_view roles;  // that may say it
};
constexpr std::array<PartRule, 5> kParts = {{
    {"text", "text", Json::value_t::string, "system developer user assistant tool function"},
    {"refusal", "refusal", Json::value_t::string, "assistant"},
    {"image_url", "image_url", Json::value_t::object, "user"},
    {"input_audio", "input_audio", Json::value_t::object, "user"},
    {"file", "file", Json::value_t::object, "user"},
}};

Result<void> check_part(const Json& part, const std::string& role, const std::string& path) {
  if (!part.is_object())
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is {}: expected an object with type and text", path, type_name(part)),
        path);
  Fields fields(part, path);
  TRY(const auto type, fields.string("type"));
  if (!type) return fields.wrong("type", "\"text\"");
  const auto rule =
      std::ranges::find_if(kParts, [&](const PartRule& each) { return each.type == *type; });
  if (rule == kParts.end())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}.type is not known: expected text, image_url, input_audio, file or "
                            "refusal",
                            path),
                path + ".type");
  if (rule->roles.find(role) == std::string_view::npos)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{}.type is {}, which a message of role {} cannot have", path, *type, role),
        path + ".type");
  const Json* member = fields.any(rule->member);
  if (member == nullptr || member->type() != rule->kind)
    return fields.wrong(rule->member,
                        rule->kind == Json::value_t::string ? "a string" : "an object");
  if (rule->type == "image_url") {
    Fields image(*member, fields.path_of("image_url"));
    TRY(const auto url, image.string("url"));
    if (!url) return image.wrong("url", "a string");
  }
  return {};
}

Result<void> check_content(const Json& message, const std::string& role, const std::string& path,
                           bool may_be_empty) {
  const auto content = message.find("content");
  const std::string field = path + ".content";
  if (content == message.end() || content->is_null()) {
    if (may_be_empty) return {};
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is missing: expected a string or an array of parts", field), field);
  }
  if (content->is_string()) return {};
  if (!content->is_array())
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is {}: expected a string or an array of parts", field, type_name(*content)),
        field);
  if (content->empty() || content->size() > kMaxParts)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} parts: expected 1 to {}", field, content->size(), kMaxParts),
                field);
  for (std::size_t i = 0; i < content->size(); ++i)
    TRY_VOID(check_part((*content)[i], role, fmt::format("{}[{}]", field, i)));
  return {};
}

Result<void> check_function(Fields& owner, const std::string& path) {
  TRY(const Json* function, owner.object("function"));
  if (function == nullptr) return owner.wrong("function", "an object with name and arguments");
  Fields fields(*function, path + ".function");
  TRY(const auto name, fields.string("name"));
  if (!name || name->empty()) return fields.wrong("name", "the function's name");
  TRY(const auto arguments, fields.string("arguments"));
  if (!arguments) return fields.wrong("arguments", "a string of JSON");
  return {};
}

Result<void> check_tool_calls(const Json& calls, const std::string& path) {
  if (calls.empty())
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} is empty: leave it out", path), path);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", path, i);
    if (!calls[i].is_object())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is {}: expected an object", place, type_name(calls[i])), place);
    Fields call(calls[i], place);
    TRY(const auto id, call.string("id"));
    if (!id || id->empty()) return call.wrong("id", "the id of the call");
    TRY(const auto type, call.string("type"));
    if (!type) return call.wrong("type", "\"function\"");
    if (*type == "function") TRY_VOID(check_function(call, place));
  }
  return {};
}

Result<void> check_message(const Json& message, const std::string& path) {
  if (!message.is_object())
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is {}: expected an object with role and content", path, type_name(message)),
        path);
  Fields fields(message, path);
  TRY(const auto role, fields.string("role"));
  if (!role || std::ranges::find(kRoles, *role) == kRoles.end())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}.role {}: expected system, developer, user, assistant, tool or "
                            "function",
                            path, role ? "is not known" : "is missing"),
                path + ".role");
  TRY(const auto name, fields.string("name"));
  TRY(const auto call_id, fields.string("tool_call_id"));
  if (*role == "tool" && (!call_id || call_id->empty()))
    return fields.wrong("tool_call_id", "the id of the call that this message answers");
  if (*role == "function" && (!name || name->empty()))
    return fields.wrong("name", "the name of the function that this message answers");
  TRY(const Json* calls, fields.array("tool_calls"));
  if (calls != nullptr) {
    if (*role != "assistant")
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}.tool_calls belongs to role assistant only", path),
                  path + ".tool_calls");
    TRY_VOID(check_tool_calls(*calls, path + ".tool_calls"));
  }
  const bool has_more = calls != nullptr || fields.any("function_call") != nullptr ||
                        fields.any("refusal") != nullptr;
  return check_content(message, *role, path, *role == "assistant" && has_more);
}

}  // namespace

Result<std::vector<language::ChatMessage>> parse_messages(Json messages) {
  if (!messages.is_array() || messages.empty() || messages.size() > kMaxMessages)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("messages {}: expected an array of 1 to {} messages",
                            messages.is_array() ? fmt::format("has {} entries", messages.size())
                                                : fmt::format("is {}", type_name(messages)),
                            kMaxMessages),
                "messages");
  std::vector<language::ChatMessage> parsed;
  parsed.reserve(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    TRY_VOID(check_message(messages[i], fmt::format("messages[{}]", i)));
    parsed.push_back({std::move(messages[i])});
  }
  return parsed;
}

}  // namespace rapport::server
