// One answer being made: from sampled tokens to deltas and the completion.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rapport/language/chat_template.h"
#include "rapport/language/embedded_sampler.h"
#include "rapport/language/embedded_text.h"
#include "rapport/language/language_model.h"
#include "rapport/language/tool_call_stream.h"

struct llama_context;
struct llama_vocab;

namespace rapport::language {

/// The bytes of one token; of special ones only with `special`.
std::string token_piece(const llama_vocab& vocab, std::int32_t token, bool special);

/// Made by the thread that asks, then used by the inference thread only. Ends with exactly one of
/// `finish` and `fail`.
class Answer {
 public:
  struct Limits {
    std::int32_t max_tokens = 0;
    std::int32_t context_tokens = 0;
  };

  /// `prompt`, `stop` and so on are what `request` became. The completion carries `model` and
  /// `fingerprint`.
  Answer(const llama_vocab& vocab, const GenerateRequest& request, ChatPrompt prompt,
         std::unique_ptr<TokenSampler> sampler, Limits limits, std::string model,
         std::string fingerprint, GenerateCallbacks callbacks);

  /// Samples the next token from row `row` of the last decode and passes on the text it completes.
  /// Returns the token to compute next, nullopt when the answer is over (`finish` or `fail` was
  /// called).
  std::optional<std::int32_t> next(llama_context& context, std::int32_t row);

  void started(std::size_t cached_tokens);
  void finish(FinishReason reason);
  void fail(Error error);

  const std::vector<std::int32_t>& prompt() const { return prompt_tokens_; }
  bool reproducible() const { return sampler_->reproducible(); }

 private:
  struct PendingLogprob {
    std::size_t byte = 0;  // of the raw answer, where its token begins
    TokenLogprob logprob;
  };

  void note_logprob(const float* logits, std::int32_t token, const std::string& bytes);
  void send(Delta delta);
  void release_logprobs(Delta& delta);

  const llama_vocab& vocab_;
  std::vector<std::int32_t> prompt_tokens_;
  std::shared_ptr<const common_chat_params> tool_format_;
  std::unique_ptr<TokenSampler> sampler_;
  TextStream text_;
  std::unique_ptr<ToolCallStream> tools_;  // null for plain text
  Limits limits_;
  bool logprobs_ = false;
  std::int32_t top_logprobs_ = 0;
  std::size_t raw_bytes_ = 0;
  std::vector<PendingLogprob> pending_;
  Completion completion_;
  GenerateCallbacks callbacks_;
};

}  // namespace rapport::language
