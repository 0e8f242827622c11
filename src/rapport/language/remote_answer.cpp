#include "rapport/language/remote_answer.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "rapport/base/text.h"
#include "rapport/language/remote_error.h"

namespace rapport::language {
namespace {

// OpenAI allows 128 tools; an index past it is nonsense and must not make us allocate.
constexpr std::uint64_t kMaxToolCalls = 128;

tl::unexpected<Error> nonsense(std::string_view what) {
  return fail(ErrorCode::kUpstream,
              fmt::format("the upstream's answer is not an OpenAI chat completion: {}", what));
}

/// The member, or null when it is missing or `object` is none.
const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::int64_t count_of(const Json& value) {
  return value.is_number_unsigned() ? value.get<std::int64_t>() : 0;
}

FinishReason finish_reason(std::string_view word) {
  if (word == "length") return FinishReason::kLength;
  if (word == "tool_calls" || word == "function_call") return FinishReason::kToolCalls;
  if (word == "content_filter") return FinishReason::kContentFilter;
  return FinishReason::kStop;
}

/// `bytes` where the upstream gives them: a token can be part of a character.
std::string token_of(const Json& entry) {
  const Json& bytes = member(entry, "bytes");
  if (!bytes.is_array()) return text_of(member(entry, "token"));
  std::string token;
  for (const Json& byte : bytes) {
    if (!byte.is_number_unsigned() || byte.get<std::uint64_t>() > 255) {
      return text_of(member(entry, "token"));
    }
    token += static_cast<char>(byte.get<std::uint8_t>());
  }
  return token;
}

float logprob_of(const Json& entry) {
  const Json& value = member(entry, "logprob");
  return value.is_number() ? value.get<float>() : 0.0f;
}

std::vector<TokenLogprob> read_logprobs(const Json& logprobs) {
  std::vector<TokenLogprob> tokens;
  for (const Json& entry : member(logprobs, "content")) {
    TokenLogprob token{token_of(entry), logprob_of(entry), {}};
    for (const Json& alternative : member(entry, "top_logprobs")) {
      token.top.push_back({token_of(alternative), logprob_of(alternative)});
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

void append_text(Json& target, const Json& piece) {
  if (!piece.is_string()) return;
  target = text_of(target) + piece.get_ref<const std::string&>();
}

}  // namespace

Result<void> RemoteAnswer::add_chunk(const Json& chunk, const OnDelta& on_delta) {
  if (!chunk.is_object()) return nonsense("an event is no object");
  if (!member(chunk, "error").is_null()) {
    return fail(ErrorCode::kUpstream,
                fmt::format("the upstream broke off with an error: {}", upstream_message(chunk)));
  }
  read_frame(chunk);
  const Json& choices = member(chunk, "choices");
  // A last chunk has usage and no choices; some servers send chunks with neither.
  if (choices.is_null() || (choices.is_array() && choices.empty())) return {};
  if (!choices.is_array() || !choices[0].is_object()) return nonsense("choices is no array");
  if (count_of(member(choices[0], "index")) != 0) return {};
  return add_choice(choices[0], member(choices[0], "delta"), on_delta);
}

Result<void> RemoteAnswer::add_whole(const Json& answer, const OnDelta& on_delta) {
  const Json& choices = member(answer, "choices");
  if (!choices.is_array() || choices.empty() || !choices[0].is_object()) {
    return nonsense("it has no choices");
  }
  read_frame(answer);
  Json message = member(choices[0], "message");
  if (!message.is_object()) return nonsense("its choice has no message");
  // A whole message has no index on its tool calls; as deltas they have one.
  if (message.contains("tool_calls") && message["tool_calls"].is_array()) {
    std::size_t index = 0;
    for (Json& call : message["tool_calls"]) {
      if (!call.is_object()) return nonsense("a tool call is no object");
      call["index"] = index++;
    }
  }
  TRY_VOID(add_choice(choices[0], message, on_delta));
  finished_ = true;
  return {};
}

Result<void> RemoteAnswer::add_choice(const Json& choice, const Json& message,
                                      const OnDelta& on_delta) {
  Delta delta;
  const Json& content = member(message, "content");
  if (!content.is_null() && !content.is_string()) return nonsense("content is no string");
  delta.text = text_of(content);
  delta.logprobs = read_logprobs(member(choice, "logprobs"));
  const Json& calls = member(message, "tool_calls");
  if (!calls.is_null()) {
    TRY_VOID(merge_tool_calls(calls));
    if (!calls.empty()) delta.tool_calls = calls;
  }
  completion_.text += delta.text;
  completion_.logprobs.insert(completion_.logprobs.end(), delta.logprobs.begin(),
                              delta.logprobs.end());
  if (const Json& reason = member(choice, "finish_reason"); reason.is_string()) {
    completion_.finish_reason = finish_reason(reason.get_ref<const std::string&>());
    finished_ = true;
  }
  if (on_delta && (!delta.text.empty() || !delta.logprobs.empty() || !delta.tool_calls.is_null())) {
    on_delta(delta);
  }
  return {};
}

Result<void> RemoteAnswer::merge_tool_calls(const Json& deltas) {
  if (!deltas.is_array()) return nonsense("tool_calls is no array");
  for (const Json& delta : deltas) {
    const Json& index = member(delta, "index");
    // Without an index there is one call at a time: it goes on with the last, or begins with an id.
    std::uint64_t at = completion_.tool_calls.size();
    if (index.is_number_unsigned()) {
      at = index.get<std::uint64_t>();
    } else if (at > 0 && !member(delta, "id").is_string()) {
      --at;
    }
    if (!delta.is_object() || at > completion_.tool_calls.size() || at >= kMaxToolCalls) {
      return nonsense(fmt::format("tool call {} is out of order", at));
    }
    if (at == completion_.tool_calls.size()) {
      completion_.tool_calls.push_back(
          Json{{"id", ""}, {"type", "function"}, {"function", {{"name", ""}, {"arguments", ""}}}});
    }
    Json& call = completion_.tool_calls[at];
    if (const Json& id = member(delta, "id"); id.is_string()) call["id"] = id;
    if (const Json& type = member(delta, "type"); type.is_string()) call["type"] = type;
    const Json& function = member(delta, "function");
    append_text(call["function"]["name"], member(function, "name"));
    append_text(call["function"]["arguments"], member(function, "arguments"));
  }
  return {};
}

void RemoteAnswer::read_frame(const Json& frame) {
  if (const Json& model = member(frame, "model"); model.is_string()) {
    completion_.model = model.get<std::string>();
  }
  if (const Json& print = member(frame, "system_fingerprint"); print.is_string()) {
    completion_.fingerprint = print.get<std::string>();
  }
  const Json& usage = member(frame, "usage");
  if (!usage.is_object()) return;
  completion_.usage.prompt_tokens = count_of(member(usage, "prompt_tokens"));
  completion_.usage.completion_tokens = count_of(member(usage, "completion_tokens"));
  completion_.usage.cached_tokens =
      count_of(member(member(usage, "prompt_tokens_details"), "cached_tokens"));
}

}  // namespace rapport::language
