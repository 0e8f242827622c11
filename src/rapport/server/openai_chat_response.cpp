#include <fmt/format.h>

#include "rapport/base/text.h"
#include "rapport/server/openai_chat.h"

namespace rapport::server {
namespace {

Json token(const std::string& bytes, float logprob) {
  Json numbers = Json::array();
  for (const char c : bytes) numbers.push_back(static_cast<unsigned char>(c));
  return {{"token", base::to_valid_utf8(bytes)}, {"logprob", logprob}, {"bytes", numbers}};
}

Json choice_object(const language::Completion& completion, std::size_t index, bool logprobs) {
  const bool has_calls = completion.tool_calls.is_array() && !completion.tool_calls.empty();
  Json message = {
      {"role", "assistant"},
      {"content", has_calls && completion.text.empty() ? Json() : Json(completion.text)},
      {"refusal", nullptr}};
  if (has_calls) message["tool_calls"] = completion.tool_calls;
  return {{"index", index},
          {"message", std::move(message)},
          {"logprobs", logprobs ? to_json(completion.logprobs) : Json()},
          {"finish_reason", openai_name(completion.finish_reason)}};
}

std::string event(std::string_view data) {
  return fmt::format("data: {}\n\n", data);
}

}  // namespace

std::string_view openai_name(language::FinishReason reason) {
  return reason == language::FinishReason::kCancelled ? "stop" : language::name(reason);
}

Json to_json(const std::vector<language::TokenLogprob>& logprobs) {
  Json content = Json::array();
  for (const language::TokenLogprob& each : logprobs) {
    Json entry = token(each.token, each.logprob);
    Json top = Json::array();
    for (const auto& alternative : each.top)
      top.push_back(token(alternative.token, alternative.logprob));
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json to_json(const language::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

Json chat_completion(const engine::Answer& answer, bool logprobs) {
  Json choices = Json::array();
  for (std::size_t i = 0; i < answer.choices.size(); ++i)
    choices.push_back(choice_object(answer.choices[i], i, logprobs));
  Json completion = {
      {"id", answer.id},       {"object", "chat.completion"},   {"created", answer.created / 1000},
      {"model", answer.model}, {"choices", std::move(choices)}, {"usage", to_json(answer.usage)}};
  if (!answer.choices.empty() && !answer.choices.front().fingerprint.empty())
    completion["system_fingerprint"] = answer.choices.front().fingerprint;
  return completion;
}

ChatStream::ChatStream(std::string_view id, std::string_view model, std::int64_t created_seconds,
                       bool logprobs, bool include_usage)
    : logprobs_(logprobs), include_usage_(include_usage) {
  // All chunks begin alike: written once, not once a token.
  prefix_ = base::dump_json({{"id", id},
                             {"object", "chat.completion.chunk"},
                             {"created", created_seconds},
                             {"model", model}});
  prefix_.back() = ',';
  prefix_ += "\"choices\":[";
  suffix_ = include_usage ? "],\"usage\":null}" : "]}";
}

std::string ChatStream::chunk(std::int64_t choice, std::string_view delta,
                              std::string_view logprobs, std::string_view finish_reason) const {
  return fmt::format(
      "data: {}{{\"index\":{},\"delta\":{},\"logprobs\":{},\"finish_reason\":{}}}{}\n\n", prefix_,
      choice, delta, logprobs, finish_reason, suffix_);
}

std::string ChatStream::role_once(std::int64_t choice) {
  if (!started_.insert(choice).second) return {};
  return chunk(choice, R"({"role":"assistant","content":"","refusal":null})", "null", "null");
}

std::string ChatStream::delta(std::int64_t choice, const language::Delta& delta) {
  const bool has_calls = delta.tool_calls.is_array() && !delta.tool_calls.empty();
  if (delta.text.empty() && !has_calls && delta.logprobs.empty()) return {};
  Json said = Json::object();
  if (!delta.text.empty() || !has_calls) said["content"] = delta.text;
  if (has_calls) said["tool_calls"] = delta.tool_calls;
  return role_once(choice) +
         chunk(choice, base::dump_json(said),
               logprobs_ ? base::dump_json(to_json(delta.logprobs)) : std::string("null"), "null");
}

std::string ChatStream::done(const engine::Answer& answer) {
  std::string events;
  for (std::size_t i = 0; i < answer.choices.size(); ++i) {
    const auto choice = static_cast<std::int64_t>(i);
    events += role_once(choice);
    events += chunk(choice, "{}", "null",
                    fmt::format("\"{}\"", openai_name(answer.choices[i].finish_reason)));
  }
  if (include_usage_) {
    // The same head with no choices, and the usage instead of null.
    events += event(prefix_ + "],\"usage\":" + base::dump_json(to_json(answer.usage)) + "}");
  }
  return events + "data: [DONE]\n\n";
}

std::string ChatStream::error(const Error& error) {
  return event(base::dump_json(error_body(error)));
}

}  // namespace rapport::server
