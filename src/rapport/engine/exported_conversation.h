// One conversation as ChatGPT or Claude export it.
#pragma once

#include <string>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::engine {

struct ExportedMessage {
  std::string id;
  std::string role;  // "user" or "assistant"
  std::string text;
  base::UnixMillis created = 0;
};

struct ExportedConversation {
  std::string id;
  std::string title;
  base::UnixMillis created = 0;
  std::vector<ExportedMessage> messages;  // in order; those with text
};

/// ChatGPT's: a tree `mapping` of messages, of which the branch that ends in `current_node` was the
/// conversation. Errors: kInvalidArgument naming the field.
Result<ExportedConversation> read_chatgpt(const Json& json);
/// Claude's: a list `chat_messages`.
Result<ExportedConversation> read_claude(const Json& json);

}  // namespace rapport::engine
