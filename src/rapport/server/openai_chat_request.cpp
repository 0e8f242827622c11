#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "rapport/base/text.h"
#include "rapport/server/json_fields.h"
#include "rapport/server/openai_chat.h"

namespace rapport::server {
namespace {

using language::GenerateRequest;

constexpr std::int64_t kMaxTokens = 1 << 24;
constexpr std::int64_t kMaxChoices = 128;  // OpenAI's; the engine's own bound may be lower
constexpr std::size_t kMaxStops = 4;       // OpenAI's
constexpr std::size_t kMaxStopBytes = 1'024;
constexpr std::size_t kMaxNameBytes = 512;
constexpr std::size_t kMaxMetadata = 16;  // OpenAI's, as the two below
constexpr std::size_t kMaxMetadataKey = 64;
constexpr std::size_t kMaxMetadataValue = 512;
constexpr std::size_t kMaxTools = 128;  // OpenAI's

Result<void> read_sampling(Fields& fields, GenerateRequest& generate) {
  language::SamplingOptions& sampling = generate.sampling;
  TRY(sampling.temperature, fields.number("temperature", 0, 2));
  TRY(sampling.top_p, fields.number("top_p", 0, 1));
  if (sampling.top_p && *sampling.top_p == 0)
    return fields.wrong("top_p", "more than 0, at most 1");
  TRY(sampling.frequency_penalty, fields.number("frequency_penalty", -2, 2));
  TRY(sampling.presence_penalty, fields.number("presence_penalty", -2, 2));
  TRY(sampling.seed, fields.integer("seed", std::numeric_limits<std::int64_t>::min(),
                                    std::numeric_limits<std::int64_t>::max()));
  TRY(const Json* bias, fields.object("logit_bias"));
  if (bias == nullptr) return {};
  Fields entries(*bias, "logit_bias");
  for (const auto& [token, value] : bias->items()) {
    std::int32_t id = 0;
    const auto [end, fault] = std::from_chars(token.data(), token.data() + token.size(), id);
    if (fault != std::errc() || end != token.data() + token.size() || id < 0)
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{} is not a token id: expected a whole number", entries.path_of(token)),
          "logit_bias");
    TRY(const auto amount, entries.number(token, -100, 100));
    if (amount) sampling.logit_bias[id] = *amount;
  }
  return {};
}

Result<void> read_bounds(Fields& fields, ChatCall& call) {
  GenerateRequest& generate = call.request.generate;
  TRY(const auto n, fields.integer("n", 1, kMaxChoices));
  call.request.n = n.value_or(1);
  TRY(const auto older, fields.integer("max_tokens", 1, kMaxTokens));
  TRY(const auto newer, fields.integer("max_completion_tokens", 1, kMaxTokens));
  if (older && newer && *older != *newer)
    return fail(ErrorCode::kInvalidArgument,
                "max_tokens and max_completion_tokens differ: send max_completion_tokens alone",
                "max_tokens");
  if (const auto most = newer ? newer : older)
    generate.max_tokens = static_cast<std::int32_t>(*most);
  return {};
}

Result<void> read_stop(Fields& fields, GenerateRequest& generate) {
  const Json* stop = fields.any("stop");
  if (stop == nullptr) return {};
  if (!stop->is_string() && !stop->is_array())
    return fields.wrong("stop", "a string or an array of up to 4 strings");
  const Json list = stop->is_string() ? Json::array({*stop}) : *stop;
  if (list.size() > kMaxStops)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("stop has {} strings: at most {}", list.size(), kMaxStops), "stop");
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_string() || list[i].get_ref<const std::string&>().empty() ||
        list[i].get_ref<const std::string&>().size() > kMaxStopBytes)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("stop[{}] is not a string of 1 to {} bytes", i, kMaxStopBytes),
                  stop->is_string() ? "stop" : fmt::format("stop[{}]", i));
    generate.stop.push_back(list[i].get<std::string>());
  }
  return {};
}

Result<void> read_logprobs(Fields& fields, GenerateRequest& generate) {
  TRY(const auto logprobs, fields.boolean("logprobs"));
  TRY(const auto top, fields.integer("top_logprobs", 0, 20));
  generate.logprobs = logprobs.value_or(false);
  if (top && *top > 0 && !generate.logprobs)
    return fail(ErrorCode::kInvalidArgument, "top_logprobs needs logprobs to be true",
                "top_logprobs");
  generate.top_logprobs = static_cast<std::int32_t>(top.value_or(0));
  return {};
}

Result<void> read_output_format(Fields& fields, GenerateRequest& generate) {
  TRY(const Json* format, fields.object("response_format"));
  if (format == nullptr) return {};
  Fields members(*format, "response_format");
  TRY(const auto type, members.string("type"));
  language::OutputFormat& output = generate.output;
  if (type == "text") {
    output.kind = language::OutputKind::kText;
  } else if (type == "json_object") {
    output.kind = language::OutputKind::kJsonObject;
  } else if (type == "json_schema") {
    output.kind = language::OutputKind::kJsonSchema;
    TRY(const Json* wrapped, members.object("json_schema"));
    if (wrapped == nullptr) return members.wrong("json_schema", "an object with name and schema");
    Fields inner(*wrapped, "response_format.json_schema");
    TRY(const auto name, inner.string("name", 64));
    if (!name || name->empty()) return inner.wrong("name", "a name of 1 to 64 characters");
    TRY(const Json* schema, inner.object("schema"));
    output.schema = schema == nullptr ? Json::object() : *schema;
  } else {
    return type ? fail(ErrorCode::kInvalidArgument,
                       "response_format.type is not known: expected text, json_object or "
                       "json_schema",
                       "response_format.type")
                : members.wrong("type", "text, json_object or json_schema");
  }
  output.raw = *format;
  return {};
}

Result<void> check_tool(const Json& tool, const std::string& path) {
  if (!tool.is_object())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is {}: expected an object", path, type_name(tool)), path);
  Fields fields(tool, path);
  TRY(const auto type, fields.string("type"));
  if (!type) return fields.wrong("type", "\"function\"");
  if (*type != "function") return {};  // the model's own kinds: it decides
  TRY(const Json* function, fields.object("function"));
  if (function == nullptr) return fields.wrong("function", "an object with a name");
  Fields members(*function, path + ".function");
  TRY(const auto name, members.string("name", 64));
  if (!name || name->empty()) return members.wrong("name", "a name of 1 to 64 characters");
  TRY_VOID(members.string("description"));
  TRY_VOID(members.object("parameters"));
  return {};
}

Result<void> read_tools(Fields& fields, GenerateRequest& generate) {
  TRY(const Json* tools, fields.array("tools"));
  if (tools != nullptr) {
    if (tools->empty() || tools->size() > kMaxTools)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("tools has {} entries: expected 1 to {}", tools->size(), kMaxTools),
                  "tools");
    for (std::size_t i = 0; i < tools->size(); ++i)
      TRY_VOID(check_tool((*tools)[i], fmt::format("tools[{}]", i)));
    generate.tools = *tools;
  }
  const Json* choice = fields.any("tool_choice");
  if (choice == nullptr) return {};
  const bool known_word = *choice == "none" || *choice == "auto" || *choice == "required";
  if (!known_word && !choice->is_object())
    return fail(ErrorCode::kInvalidArgument,
                "tool_choice is not known: expected none, auto, required or an object that names "
                "a tool",
                "tool_choice");
  if (tools == nullptr && *choice != "none")
    return fail(ErrorCode::kInvalidArgument, "tool_choice needs tools", "tool_choice");
  generate.tool_choice = *choice;
  return {};
}

Result<void> read_stream(Fields& fields, ChatCall& call) {
  TRY(const auto stream, fields.boolean("stream"));
  call.stream = stream.value_or(false);
  TRY(const Json* options, fields.object("stream_options"));
  if (options == nullptr) return {};
  if (!call.stream)
    return fail(ErrorCode::kInvalidArgument, "stream_options needs stream to be true",
                "stream_options");
  Fields members(*options, "stream_options");
  TRY(const auto usage, members.boolean("include_usage"));
  // Padding against readers of traffic on the way: nothing to do where TLS ends before us.
  TRY_VOID(members.boolean("include_obfuscation"));
  TRY_VOID(members.refuse_rest());
  call.include_usage = usage.value_or(false);
  return {};
}

/// OpenAI's bounds; values are strings only.
Result<std::map<std::string, std::string>> read_metadata(Fields& fields) {
  std::map<std::string, std::string> metadata;
  TRY(const Json* object, fields.object("metadata"));
  if (object == nullptr) return metadata;
  if (object->size() > kMaxMetadata)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("metadata has {} pairs: at most {}", object->size(), kMaxMetadata),
                "metadata");
  Fields members(*object, "metadata");
  for (const auto& [key, value] : object->items()) {
    if (key.size() > kMaxMetadataKey)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is a key of {} bytes: at most {}", members.path_of(key),
                              key.size(), kMaxMetadataKey),
                  "metadata");
    TRY(const auto text, members.string(key, kMaxMetadataValue));
    if (text) metadata.emplace(key, *text);
  }
  return metadata;
}

Result<std::string> read_header(const std::map<std::string, std::string>& headers,
                                const std::string& field) {
  const auto found = headers.find(field);
  if (found == headers.end()) return std::string();
  std::string text(base::trim(found->second));
  if (text.size() > kMaxNameBytes || !base::is_utf8(text))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("header {} is not UTF-8 of at most {} bytes", field, kMaxNameBytes),
                field);
  return text;
}

std::string first_of(std::string header, const std::map<std::string, std::string>& metadata,
                     const std::string& key) {
  if (!header.empty()) return header;
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

Result<void> read_degree(const std::map<std::string, std::string>& headers,
                         engine::ChatRequest& request) {
  TRY(const std::string degree, read_header(headers, "x-rapport-degree"));
  if (degree.empty()) return {};
  if (degree.size() != 1 || degree[0] < '0' || degree[0] > '3')
    return fail(ErrorCode::kInvalidArgument,
                "header x-rapport-degree is not 0 (generic), 1 (settings), 2 (profile) or 3 "
                "(memory)",
                "x-rapport-degree");
  request.degree = static_cast<profile::Degree>(degree[0] - '0');
  return {};
}

Result<void> read_who(Fields& fields, const std::map<std::string, std::string>& headers,
                      engine::ChatRequest& request) {
  TRY(const auto metadata, read_metadata(fields));
  TRY(const auto user, fields.string("user", kMaxNameBytes));
  TRY(const auto safety, fields.string("safety_identifier", kMaxNameBytes));
  TRY(request.caller.header_user, read_header(headers, "x-rapport-user"));
  request.caller.body_user = user.value_or("");
  request.caller.metadata_user = first_of({}, metadata, "user_id");
  request.caller.safety_identifier = safety.value_or("");
  TRY(std::string conversation, read_header(headers, "x-rapport-conversation"));
  request.conversation = first_of(std::move(conversation), metadata, "conversation_id");
  TRY(std::string domain, read_header(headers, "x-rapport-domain"));
  request.domain = first_of(std::move(domain), metadata, "domain");
  TRY(const auto previous, fields.string("previous_response_id", kMaxNameBytes));
  request.previous_response_id = previous.value_or("");
  return read_degree(headers, request);
}

}  // namespace

Result<ChatCall> parse_chat_call(Json body, const std::map<std::string, std::string>& headers) {
  ChatCall call;
  GenerateRequest& generate = call.request.generate;
  // Moved out first: a long conversation is most of the body, and this saves its copy.
  Json messages = std::move(body["messages"]);
  body["messages"] = nullptr;
  Fields fields(body);
  TRY(const auto model, fields.string("model", kMaxNameBytes));
  generate.model = model.value_or("");
  if (messages.is_null()) return fields.wrong("messages", "an array of messages");
  TRY(generate.messages, parse_messages(std::move(messages)));
  TRY_VOID(read_sampling(fields, generate));
  TRY_VOID(read_bounds(fields, call));
  TRY_VOID(read_stop(fields, generate));
  TRY_VOID(read_logprobs(fields, generate));
  TRY_VOID(read_output_format(fields, generate));
  TRY_VOID(read_tools(fields, generate));
  TRY_VOID(read_stream(fields, call));
  TRY_VOID(read_who(fields, headers, call.request));
  generate.passthrough = fields.rest();
  return call;
}

}  // namespace rapport::server
