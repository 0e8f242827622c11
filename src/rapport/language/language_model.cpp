#include "rapport/language/language_model.h"

#include <fmt/format.h>

#include <cassert>
#include <future>

namespace rapport::language {
namespace {

Result<void> check_range(std::optional<double> value, double minimum, double maximum,
                         std::string_view field) {
  // Written as "not inside" so that NaN is refused too.
  if (value && !(*value >= minimum && *value <= maximum)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is {}: expected {} to {}", field, *value, minimum, maximum),
                std::string(field));
  }
  return {};
}

Result<void> check_message(const ChatMessage& message, std::size_t index) {
  const std::string field = fmt::format("messages[{}]", index);
  if (!message.json.is_object())
    return fail(ErrorCode::kInvalidArgument, field + " is not a JSON object", field);
  const auto role = message.json.find("role");
  if (role == message.json.end() || !role->is_string() ||
      role->get_ref<const std::string&>().empty())
    return fail(ErrorCode::kInvalidArgument,
                field + " has no role: expected \"system\", \"user\", \"assistant\" or \"tool\"",
                field + ".role");
  const auto content = message.json.find("content");
  if (content != message.json.end() && !content->is_string() && !content->is_array() &&
      !content->is_null())
    return fail(ErrorCode::kInvalidArgument,
                field + ".content is neither a string nor an array of parts", field + ".content");
  return {};
}

Result<void> check_sampling(const SamplingOptions& sampling) {
  TRY_VOID(check_range(sampling.temperature, 0, 2, "temperature"));
  TRY_VOID(check_range(sampling.top_p, 0, 1, "top_p"));
  if (sampling.top_p && *sampling.top_p == 0)
    return fail(ErrorCode::kInvalidArgument, "top_p is 0: expected more than 0, at most 1",
                "top_p");
  TRY_VOID(check_range(sampling.frequency_penalty, -2, 2, "frequency_penalty"));
  TRY_VOID(check_range(sampling.presence_penalty, -2, 2, "presence_penalty"));
  for (const auto& [token, bias] : sampling.logit_bias) {
    if (!(bias >= -100 && bias <= 100))
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("logit_bias of token {} is {}: expected -100 to 100", token, bias),
                  "logit_bias");
  }
  return {};
}

Result<void> check_stop(const std::vector<std::string>& stop) {
  if (stop.size() > 4)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("stop has {} strings: at most 4 are allowed", stop.size()), "stop");
  for (const std::string& text : stop) {
    if (text.empty())
      return fail(ErrorCode::kInvalidArgument, "stop contains an empty string: leave it out",
                  "stop");
  }
  return {};
}

Result<void> check_invariants(const GenerateRequest& request) {
  if (request.messages.empty())
    return fail(ErrorCode::kInvalidArgument, "messages is empty: send at least one message",
                "messages");
  for (std::size_t i = 0; i < request.messages.size(); ++i)
    TRY_VOID(check_message(request.messages[i], i));
  TRY_VOID(check_sampling(request.sampling));
  TRY_VOID(check_stop(request.stop));
  if (request.max_tokens && *request.max_tokens < 1)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("max_tokens is {}: expected at least 1", *request.max_tokens),
                "max_tokens");
  if (request.top_logprobs < 0 || request.top_logprobs > 20)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("top_logprobs is {}: expected 0 to 20", request.top_logprobs),
                "top_logprobs");
  if (request.top_logprobs > 0 && !request.logprobs)
    return fail(ErrorCode::kInvalidArgument, "top_logprobs needs logprobs to be true",
                "top_logprobs");
  if (!request.tools.is_null() && !request.tools.is_array())
    return fail(ErrorCode::kInvalidArgument, "tools is not an array", "tools");
  return {};
}

}  // namespace

ChatMessage ChatMessage::text(std::string_view role, std::string_view content) {
  return {Json{{"role", role}, {"content", content}}};
}

std::string ChatMessage::role() const {
  const auto found = json.is_object() ? json.find("role") : json.end();
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string ChatMessage::content() const {
  const auto found = json.is_object() ? json.find("content") : json.end();
  if (found == json.end()) return {};
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return {};
  std::string joined;
  bool first = true;
  for (const Json& part : *found) {
    if (!part.is_object()) continue;
    const auto text = part.find("text");
    if (part.value("type", Json()) != "text" || text == part.end() || !text->is_string()) continue;
    if (!first) joined += '\n';
    joined += text->get_ref<const std::string&>();
    first = false;
  }
  return joined;
}

std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kToolCalls: return "tool_calls";
    case FinishReason::kContentFilter: return "content_filter";
    case FinishReason::kCancelled: return "cancelled";
  }
  return "stop";
}

Result<void> LanguageModel::check(const GenerateRequest& request) const {
  TRY_VOID(check_invariants(request));
  return do_check(request);
}

void LanguageModel::generate(GenerateRequest request, GenerateCallbacks callbacks) {
  assert(callbacks.on_done);
  if (auto checked = check(request); !checked) {
    callbacks.on_done(fail(std::move(checked).error()));
    return;
  }
  do_generate(std::move(request), std::move(callbacks));
}

Result<std::int64_t> LanguageModel::count_tokens(const std::vector<ChatMessage>& messages,
                                                 const Json& tools) const {
  for (std::size_t i = 0; i < messages.size(); ++i) TRY_VOID(check_message(messages[i], i));
  return do_count_tokens(messages, tools);
}

Result<Completion> generate_and_wait(LanguageModel& model, GenerateRequest request,
                                     std::function<void(const Delta&)> on_delta) {
  std::promise<Result<Completion>> promise;
  auto done = promise.get_future();
  model.generate(std::move(request), {.on_delta = std::move(on_delta),
                                      .on_done = [&promise](Result<Completion> result) {
                                        promise.set_value(std::move(result));
                                      }});
  return done.get();
}

}  // namespace rapport::language
