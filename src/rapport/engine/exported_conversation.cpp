#include "rapport/engine/exported_conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace rapport::engine {
namespace {

tl::unexpected<Error> wrong(std::string_view field, std::string_view expected) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" must be {}", field, expected),
              std::string(field));
}

const Json* member(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

Result<std::string> text_of(const Json& json, const char* key, bool required) {
  const Json* found = member(json, key);
  if (found == nullptr && !required) return std::string();
  if (found == nullptr || !found->is_string()) return wrong(key, "a string");
  return found->get<std::string>();
}

/// Seconds since 1970, with a fraction.
Result<base::UnixMillis> seconds_of(const Json& json, const char* key, base::UnixMillis otherwise) {
  const Json* found = member(json, key);
  if (found == nullptr) return otherwise;
  const double seconds = found->is_number() ? found->get<double>() : -1;
  // The year 9999.
  if (!(seconds >= 0 && seconds < 253402300800.0)) return wrong(key, "seconds since 1970");
  return static_cast<base::UnixMillis>(std::llround(seconds * 1000));
}

/// "2024-01-15T10:30:00.123456Z", also with +00:00.
Result<base::UnixMillis> iso_of(const Json& json, const char* key, base::UnixMillis otherwise) {
  const Json* found = member(json, key);
  if (found == nullptr) return otherwise;
  constexpr const char* kExpected = "a time like 2024-01-15T10:30:00Z";
  if (!found->is_string()) return wrong(key, kExpected);
  const std::string text = found->get<std::string>();
  std::tm day = {};
  double seconds = 0;
  int used = 0;
  const int read = std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%lf%n", &day.tm_year, &day.tm_mon,
                               &day.tm_mday, &day.tm_hour, &day.tm_min, &seconds, &used);
  const std::string_view zone = std::string_view(text).substr(static_cast<std::size_t>(used));
  if (read != 6 || (zone != "Z" && zone != "+00:00") || day.tm_year < 1970 ||
      !(seconds >= 0 && seconds < 61)) {
    return wrong(key, kExpected);
  }
  day.tm_year -= 1900;
  day.tm_mon -= 1;
  return static_cast<base::UnixMillis>(::timegm(&day)) * 1000 +
         static_cast<base::UnixMillis>(std::llround(seconds * 1000));
}

/// The strings among `parts`; the rest are pictures and files.
std::string joined_parts(const Json& content) {
  std::string text;
  const Json* parts = member(content, "parts");
  if (parts == nullptr || !parts->is_array()) return text;
  for (const Json& part : *parts) {
    if (!part.is_string() || part.get_ref<const std::string&>().empty()) continue;
    text += (text.empty() ? "" : "\n") + part.get<std::string>();
  }
  return text;
}

bool is_hidden(const Json& message) {
  const Json* metadata = member(message, "metadata");
  if (metadata == nullptr || !metadata->is_object()) return false;
  const Json* hidden = member(*metadata, "is_visually_hidden_from_conversation");
  return hidden != nullptr && hidden->is_boolean() && hidden->get<bool>();
}

/// Nothing for what is not part of what was said: system prompts, tools, pictures.
Result<std::optional<ExportedMessage>> chatgpt_message(const Json& message,
                                                       base::UnixMillis otherwise) {
  if (!message.is_object()) return wrong("message", "an object");
  const Json* author = member(message, "author");
  if (author == nullptr || !author->is_object()) return wrong("author", "an object");
  ExportedMessage read;
  TRY(read.id, text_of(message, "id", true));
  TRY(read.role, text_of(*author, "role", true));
  if ((read.role != "user" && read.role != "assistant") || is_hidden(message)) return std::nullopt;
  const Json* content = member(message, "content");
  if (content == nullptr || !content->is_object()) return wrong("content", "an object");
  TRY(const std::string type, text_of(*content, "content_type", false));
  if (type != "text" && type != "multimodal_text") return std::nullopt;
  read.text = joined_parts(*content);
  if (read.text.empty()) return std::nullopt;
  TRY(read.created, seconds_of(message, "create_time", otherwise));
  return read;
}

}  // namespace

Result<ExportedConversation> read_chatgpt(const Json& json) {
  if (!json.is_object()) return wrong("conversation", "an object");
  ExportedConversation conversation;
  TRY(conversation.id,
      text_of(json, json.contains("conversation_id") ? "conversation_id" : "id", true));
  TRY(conversation.title, text_of(json, "title", false));
  TRY(conversation.created, seconds_of(json, "create_time", 0));
  const Json* mapping = member(json, "mapping");
  if (mapping == nullptr || !mapping->is_object()) return wrong("mapping", "an object");
  std::unordered_map<std::string_view, const Json*> nodes;
  for (const auto& [id, node] : mapping->items()) {
    if (!node.is_object()) return wrong("mapping", "an object of objects");
    nodes.emplace(id, &node);
  }
  if (nodes.empty()) return conversation;
  TRY(std::string at, text_of(json, "current_node", true));
  // From the last message back to the first: other branches are what the user had written anew.
  for (std::size_t steps = 0; !at.empty(); ++steps) {
    const auto node = nodes.find(at);
    if (node == nodes.end()) return wrong("current_node", "a node of the mapping, as each parent");
    if (steps > nodes.size()) return wrong("mapping", "a tree: its parents go round in a circle");
    if (const Json* message = member(*node->second, "message")) {
      TRY(auto read, chatgpt_message(*message, conversation.created));
      if (read) conversation.messages.push_back(*std::move(read));
    }
    TRY(at, text_of(*node->second, "parent", false));
  }
  std::ranges::reverse(conversation.messages);
  return conversation;
}

Result<ExportedConversation> read_claude(const Json& json) {
  if (!json.is_object()) return wrong("conversation", "an object");
  ExportedConversation conversation;
  TRY(conversation.id, text_of(json, "uuid", true));
  TRY(conversation.title, text_of(json, "name", false));
  TRY(conversation.created, iso_of(json, "created_at", 0));
  const Json* messages = member(json, "chat_messages");
  if (messages == nullptr || !messages->is_array()) return wrong("chat_messages", "an array");
  for (const Json& message : *messages) {
    if (!message.is_object()) return wrong("chat_messages", "an array of objects");
    ExportedMessage read;
    TRY(read.id, text_of(message, "uuid", true));
    TRY(const std::string sender, text_of(message, "sender", true));
    if (sender != "human" && sender != "assistant") return wrong("sender", "human or assistant");
    read.role = sender == "human" ? "user" : "assistant";
    TRY(read.text, text_of(message, "text", false));
    // Newer exports have the text in parts, beside tools and thoughts.
    if (const Json* content = member(message, "content"); content && content->is_array()) {
      std::string text;
      for (const Json& part : *content) {
        if (!part.is_object() || part.value("type", Json()) != "text") continue;
        TRY(const std::string said, text_of(part, "text", false));
        if (!said.empty()) text += (text.empty() ? "" : "\n") + said;
      }
      if (!text.empty()) read.text = std::move(text);
    }
    TRY(read.created, iso_of(message, "created_at", conversation.created));
    if (!read.text.empty()) conversation.messages.push_back(std::move(read));
  }
  return conversation;
}

}  // namespace rapport::engine
