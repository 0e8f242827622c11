// OpenAI's chat completions, as pure functions between JSON and the engine's types.
//
//   TRY(const ChatCall call, parse_chat_call(body, headers));      // POST /v1/chat/completions
//   HttpResponse::json(chat_completion(answer, logprobs));         // in one piece
//   ChatStream stream(id, model, created, logprobs, usage);        // or as server-sent events
//   reply->write(stream.delta(0, delta)); … reply->write(stream.done(answer));
//
// Source: https://platform.openai.com/docs/api-reference/chat. Byte for byte what the official SDKs
// parse.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "rapport/engine/respond.h"
#include "rapport/server/http.h"

namespace rapport::server {

struct ChatCall {
  /// All of it but the caller's app and key-bound user, which are not the request's to say.
  engine::ChatRequest request;
  bool stream = false;
  bool include_usage = false;  // stream_options.include_usage
};

/// Strict: every known parameter is checked, and an error names it ("messages[2].content"). Unknown
/// ones go to `generate.passthrough` as they came; the model decides. X-Rapport-User,
/// -Conversation, -Domain, -Degree of `headers` (names in lower case) and metadata.user_id,
/// .conversation_id, .domain say who asks and in which conversation. Metadata itself stays here: it
/// may name the user.
Result<ChatCall> parse_chat_call(Json body, const std::map<std::string, std::string>& headers);

/// Messages as OpenAI takes them: roles, contents and their parts, tool calls.
Result<std::vector<language::ChatMessage>> parse_messages(Json messages);

/// The chat.completion object.
Json chat_completion(const engine::Answer& answer, bool logprobs);

/// The chunks of one streamed answer, as server-sent events. Not thread-safe: one answer's
/// callbacks come in order.
class ChatStream {
 public:
  ChatStream(std::string_view id, std::string_view model, std::int64_t created_seconds,
             bool logprobs, bool include_usage);

  /// A choice's first delta is preceded by its role. "" when there is nothing to say.
  std::string delta(std::int64_t choice, const language::Delta& delta);
  /// Finish reasons, the usage when it was asked for, and the end mark.
  std::string done(const engine::Answer& answer);
  /// What ends a stream that failed on its way; no end mark follows.
  static std::string error(const Error& error);

 private:
  std::string role_once(std::int64_t choice);
  std::string chunk(std::int64_t choice, std::string_view delta, std::string_view logprobs,
                    std::string_view finish_reason) const;

  std::string prefix_;  // all of a chunk up to its choices
  std::string suffix_;
  const bool logprobs_;
  const bool include_usage_;
  std::set<std::int64_t> started_;
};

/// A token's own bytes are in `bytes`; `token` is text, so that a part of a character is U+FFFD.
Json to_json(const std::vector<language::TokenLogprob>& logprobs);
Json to_json(const language::Usage& usage);
/// OpenAI knows no "cancelled": what was cut off is "stop" to it.
std::string_view openai_name(language::FinishReason reason);

}  // namespace rapport::server
