// A language model inside this process: llama.cpp on a GGUF file.
//
//   TRY(const ModelFile file, find_model("smollm2-135m-instruct-q8_0", model_folders(home)));
//   EmbeddedOptions options; options.path = file.path.string();
//   TRY(const auto model, EmbeddedModel::load(options));
//   TRY(const Completion answer, generate_and_wait(*model, {.messages = {ChatMessage::text("user",
//   "Hi")}}));
//
// One thread owns the llama.cpp context. Conversations run side by side, each in a slot with its
// own part of the key-value cache; a slot keeps its part after the answer, so that the next turn,
// or another conversation with the same beginning, computes only what is new
// (`usage.cached_tokens`).
//
// Same request, same answer: a request with temperature 0 or a seed is computed so that its tokens
// depend neither on what the cache holds nor on what runs beside it (on x86 CPUs with weights in
// Q8_0, which the tests check; with flash attention only while a conversation is within 256 tokens
// for the latter: see `EmbeddedOptions::flash_attention`). It pays with less reuse: at least 64
// tokens of the prompt (2 without flash attention) and everything the model itself wrote before are
// computed again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rapport/base/config.h"
#include "rapport/language/language_model.h"

namespace rapport::language {

/// Keys `language.embedded.*`.
struct EmbeddedOptions {
  /// The GGUF file; `find_model` makes a path of a name.
  std::string path;
  /// GGUF file of a LoRA adapter that it computes with (`rapport palr finetune` writes them); ""
  /// for none.
  std::string adapter;
  /// What the API calls it; "" for the file's name without ".gguf".
  std::string id;
  /// Jinja file that turns messages into the prompt; "" for the model's own template. For models
  /// that come without one; what those answer is seldom a conversation.
  std::string chat_template;
  /// Tokens of one conversation, prompt and answer; at most what the model was trained for.
  std::int64_t context_tokens = 4096;
  /// Conversations generated side by side, 1 to 64. Each keeps a place in the cache.
  std::int64_t parallel = 8;
  /// Most memory for that cache, MiB. SmolLM2-135M takes 23 KB a token, so 720 MiB for 8 × 4,096;
  /// a model that would need more than this runs fewer conversations side by side (1 at least).
  /// Beside it stands what score_choices needs for choices of several tokens: one prompt's.
  std::int64_t cache_mib = 2048;
  /// Prompt tokens computed at a time, 64 to 4096 (llama.cpp's n_ubatch; its default).
  std::int64_t batch_tokens = 512;
  /// The same while other answers stream: they pause for that long. 128 tokens of SmolLM2-135M are
  /// 0.2 s on 2 cores.
  std::int64_t shared_batch_tokens = 128;
  /// 0: one for each physical core.
  std::int64_t threads = 0;
  /// Faster prompts (× 1.4 on 2 cores). Without it a token's numbers are the same whatever is
  /// computed beside it, for conversations of any length.
  bool flash_attention = true;
  /// Of requests that name none. Values are llama.cpp's (common_params_sampling); OpenAI's own
  /// default temperature of 1 makes small models ramble.
  double temperature = 0.8;     // [0, 2]; 0 is greedy
  double top_p = 0.95;          // (0, 1]; 1 is off
  double min_p = 0.05;          // [0, 1]; 0 is off
  std::int64_t top_k = 40;      // 0 is off
  double repeat_penalty = 1.0;  // [0.5, 2] over the last 64 tokens; 1 is off
  /// Tokens of an answer when the request sets no max_tokens; the context's end is the other limit.
  std::int64_t max_tokens = 512;
  /// Requests that may wait; one more gets kUnavailable.
  std::int64_t max_queued = 256;

  /// Adds `language.embedded.*` to `set`.
  void describe(base::OptionSet& set);
};

/// What `score_choices` weighs against each other.
struct ChoiceRequest {
  /// Either messages, rendered by the chat template up to where the answer begins …
  std::vector<ChatMessage> messages;
  /// … or, when there are none, a prompt taken as it is.
  std::string prompt;
  /// Continuations. In a chat prompt usually bare ("A", "B"), after a plain text with their space.
  std::vector<std::string> choices;
  std::stop_token stop_token;
};

struct ChoiceScores {
  /// [choices] natural logarithm of each choice's probability as the continuation, at temperature
  /// 1: the sum over its tokens. Not normalised over the choices.
  std::vector<float> logprobs;
  /// [choices] tokens of each; divide by it to compare choices of unequal length.
  std::vector<std::int32_t> tokens;
  Usage usage;
};

/// Thread-safe. Passes over `user`, `metadata`, `store`, `service_tier`, `stream`,
/// `stream_options`, `parallel_tool_calls`, `prompt_cache_key`, `safety_identifier`, `modalities`
/// of text alone, and null values in a request's `passthrough`: they do not change what an embedded
/// model would write. Refuses anything else there, images and audio, with kUnsupported and `param`.
class EmbeddedModel final : public LanguageModel {
 public:
  /// Blocks while the file loads. Errors: those of `read_model_file` and `check_chat_model`,
  /// those of `load_adapter`; kInvalidArgument for options out of range; kUnavailable (no compute
  /// backend); kCorrupt.
  static Result<std::unique_ptr<EmbeddedModel>> load(const EmbeddedOptions& options);
  /// As `shutdown`.
  ~EmbeddedModel() override;

  /// Ends: what is queued or running gets kUnavailable, then the thread is joined. Idempotent. Not
  /// from a callback.
  void shutdown();

  /// The probabilities of `choices` after a prompt, in one forward pass when each is one token, as
  /// letters are (LlamaRec: about 50 times cheaper than generating). Otherwise the prompt is
  /// computed once and all choices side by side on top of it. Reproducible as a request with
  /// temperature 0. Blocks; never on an I/O thread. Errors: kInvalidArgument (no choices, an empty
  /// one, nothing to score after, or context_length_exceeded), kUnavailable, kCancelled.
  Result<ChoiceScores> score_choices(const ChoiceRequest& request);

  /// The tokens of messages in the chat template, up to where the answer begins. Errors: those of
  /// `count_tokens`.
  Result<std::vector<std::int32_t>> prompt_tokens(const std::vector<ChatMessage>& messages) const;
  /// The token that ends an answer.
  std::int32_t end_token() const;
  /// The same for the same weights, adapter and build: "fp_…".
  const std::string& fingerprint() const;

  /// The model's own tokens of a text without special ones, and their bytes.
  std::vector<std::int32_t> tokenize(const std::string& text) const;
  std::string token_bytes(std::int32_t token) const;

 private:
  class State;
  explicit EmbeddedModel(std::unique_ptr<State> state);

  Result<void> do_check(const GenerateRequest& request) const override;
  void do_generate(GenerateRequest request, GenerateCallbacks callbacks) override;
  Result<std::int64_t> do_count_tokens(const std::vector<ChatMessage>& messages,
                                       const Json& tools) const override;
  std::vector<ModelInfo> do_models() const override;
  void do_forget() override;

  std::unique_ptr<State> state_;
};

}  // namespace rapport::language
