// The seam to every language model: embedded llama.cpp, any OpenAI-compatible server, a scripted
// one in tests.
//
//   model.generate(request, {.on_delta = [&](const Delta& d) { stream(d.text); },
//                            .on_done = [&](Result<Completion> done) { … }});
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::language {

/// One message of a conversation, kept as the application's own JSON object so that nothing it
/// wrote is lost or reordered on the way to a model: {"role", "content" (string or parts), "name"?,
/// "tool_calls"?, "tool_call_id"?}.
struct ChatMessage {
  Json json;

  static ChatMessage text(std::string_view role, std::string_view content);
  std::string role() const;
  /// The text of a string content or of all text parts joined by a newline; "" when there is none.
  std::string content() const;
  bool operator==(const ChatMessage&) const = default;
};

/// Defaults are OpenAI's. Values a request did not name stay nullopt, so that a remote model's own
/// defaults hold; the embedded model then uses `EmbeddedOptions`.
struct SamplingOptions {
  std::optional<double> temperature;        // [0, 2]; 0 is greedy
  std::optional<double> top_p;              // (0, 1]
  std::optional<double> frequency_penalty;  // [-2, 2]
  std::optional<double> presence_penalty;   // [-2, 2]
  std::optional<std::int64_t> seed;
  std::map<std::int32_t, double> logit_bias;  // token id → [-100, 100]
};

enum class OutputKind { kText, kJsonObject, kJsonSchema };

/// OpenAI's `response_format`. `raw` is what the application sent (for a remote model), `schema`
/// the JSON schema.
struct OutputFormat {
  OutputKind kind = OutputKind::kText;
  Json schema;
  Json raw;
};

struct GenerateRequest {
  std::string model;  // as the upstream knows it; "" or "default" for the configured one
  std::vector<ChatMessage> messages;
  SamplingOptions sampling;
  std::optional<std::int32_t> max_tokens;  // of the completion
  std::vector<std::string> stop;           // up to 4; not part of the text
  bool logprobs = false;
  std::int32_t top_logprobs = 0;  // 0..20
  OutputFormat output;
  Json tools;        // array or null
  Json tool_choice;  // string, object or null
  /// Parameters we do not know, verbatim: a remote model gets them, the embedded one refuses what
  /// it cannot honour.
  Json passthrough = Json::object();
  /// A keyed hash of the user, the only thing an upstream learns of who asks; "" sends nothing.
  std::string end_user;
  /// Stops the generation soon after it is requested; `on_done` then gets what there is, with
  /// FinishReason::kCancelled.
  std::stop_token stop_token;
};

struct TokenLogprob {
  struct Alternative {
    std::string token;
    float logprob = 0;
  };
  std::string token;  // its bytes; may be part of a character
  float logprob = 0;  // natural logarithm
  std::vector<Alternative> top;
};

/// A piece of a completion: whole UTF-8 characters only.
struct Delta {
  std::string text;
  std::vector<TokenLogprob> logprobs;
  Json tool_calls;  // array of OpenAI tool-call deltas (with `index`), or null
};

enum class FinishReason { kStop, kLength, kToolCalls, kContentFilter, kCancelled };
/// "stop", "length", "tool_calls", "content_filter", "cancelled".
std::string_view name(FinishReason reason);

/// Tokens as the model counted them. `cached` of the prompt's were not computed again.
struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::int64_t cached_tokens = 0;
};

struct Completion {
  std::string text;
  Json tool_calls;  // whole, or null
  std::vector<TokenLogprob> logprobs;
  FinishReason finish_reason = FinishReason::kStop;
  Usage usage;
  std::string model;        // who answered
  std::string fingerprint;  // of the weights and build, "" when unknown
  std::string prompt;       // embedded: the text the chat template made; "" for a remote model
};

struct GenerateCallbacks {
  std::function<void(const Delta&)> on_delta;       // may be empty
  std::function<void(Result<Completion>)> on_done;  // exactly once, last
};

struct ModelInfo {
  std::string id;                   // name in /v1/models
  std::string backend;              // "embedded" or "remote"
  std::int64_t created = 0;         // Unix seconds
  std::int64_t context_tokens = 0;  // per conversation; 0 unknown
  std::int64_t parameters = 0;      // 0 unknown
};

/// Thread-safe. Public methods check invariants and call the private hooks.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  /// Refuses what this model cannot honour before anything is done. Errors: kInvalidArgument,
  /// kUnsupported, each with `param`.
  Result<void> check(const GenerateRequest& request) const;

  /// Returns at once. Callbacks come on the model's own thread, in order, and must not block;
  /// `on_done` comes exactly once, after the last delta, also after an error found here (then on
  /// the calling thread). Errors: what `check` says; kInvalidArgument/context_length_exceeded;
  /// kUnavailable when the queue is full; kUpstream, kTimeout, kRateLimited of a remote model.
  void generate(GenerateRequest request, GenerateCallbacks callbacks);

  /// Tokens that these messages take in the prompt, template included. A remote model estimates (4
  /// bytes a token).
  Result<std::int64_t> count_tokens(const std::vector<ChatMessage>& messages,
                                    const Json& tools = {}) const;

  /// Drops what is kept of earlier requests to answer later ones faster: their texts leave the
  /// memory. What is being answered goes on, and is dropped when it ends. Returns at once.
  void forget() { do_forget(); }

  /// The models this one answers for; the first is the default.
  std::vector<ModelInfo> models() const { return do_models(); }

 private:
  virtual Result<void> do_check(const GenerateRequest& request) const = 0;
  virtual void do_generate(GenerateRequest request, GenerateCallbacks callbacks) = 0;
  virtual Result<std::int64_t> do_count_tokens(const std::vector<ChatMessage>& messages,
                                               const Json& tools) const = 0;
  virtual std::vector<ModelInfo> do_models() const = 0;
  virtual void do_forget() {}  // a model that keeps nothing has nothing to do
};

/// `generate` and wait for it; for commands and tests, never on an I/O thread.
Result<Completion> generate_and_wait(LanguageModel& model, GenerateRequest request,
                                     std::function<void(const Delta&)> on_delta = {});

}  // namespace rapport::language
