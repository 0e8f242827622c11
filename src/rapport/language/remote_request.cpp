#include "rapport/language/remote_request.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace rapport::language {
namespace {

// An application's identifiers: the upstream learns of nobody but by our keyed hash.
constexpr std::array<std::string_view, 3> kIdentifying = {"user", "safety_identifier", "metadata"};

void add_sampling(Json& body, const SamplingOptions& sampling) {
  const auto set = [&body](const char* field, const auto& value) {
    if (value) body[field] = *value;
  };
  set("temperature", sampling.temperature);
  set("top_p", sampling.top_p);
  set("frequency_penalty", sampling.frequency_penalty);
  set("presence_penalty", sampling.presence_penalty);
  set("seed", sampling.seed);
  for (const auto& [token, bias] : sampling.logit_bias) {
    body["logit_bias"][std::to_string(token)] = bias;
  }
}

void add_output(Json& body, const OutputFormat& output) {
  if (!output.raw.is_null()) {
    body["response_format"] = output.raw;
  } else if (output.kind == OutputKind::kJsonObject) {
    body["response_format"] = {{"type", "json_object"}};
  } else if (output.kind == OutputKind::kJsonSchema) {
    body["response_format"] = {
        {"type", "json_schema"},
        {"json_schema", {{"name", "answer"}, {"strict", true}, {"schema", output.schema}}}};
  }
}

}  // namespace

Json remote_body(const RemoteOptions& options, const GenerateRequest& request) {
  Json body = Json::object();
  body["model"] =
      request.model.empty() || request.model == "default" ? options.model : request.model;
  body["messages"] = Json::array();
  for (const ChatMessage& message : request.messages) body["messages"].push_back(message.json);
  body["stream"] = true;
  if (options.stream_usage) body["stream_options"] = {{"include_usage", true}};
  add_sampling(body, request.sampling);
  if (request.max_tokens) body[options.max_tokens_field] = *request.max_tokens;
  if (!request.stop.empty()) body["stop"] = request.stop;
  if (request.logprobs) body["logprobs"] = true;
  if (request.top_logprobs > 0) body["top_logprobs"] = request.top_logprobs;
  add_output(body, request.output);
  if (!request.tools.is_null()) body["tools"] = request.tools;
  if (!request.tool_choice.is_null()) body["tool_choice"] = request.tool_choice;
  if (!request.end_user.empty()) body["user"] = request.end_user;
  if (request.passthrough.is_object()) {
    for (const auto& [field, value] : request.passthrough.items()) {
      if (!body.contains(field) && std::ranges::find(kIdentifying, field) == kIdentifying.end()) {
        body[field] = value;
      }
    }
  }
  return body;
}

}  // namespace rapport::language
