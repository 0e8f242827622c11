#include "rapport/language/embedded_answer.h"

#include <llama.h>

#include <cassert>
#include <functional>

#include "rapport/base/random.h"

namespace rapport::language {
namespace {

std::vector<std::string> joined(std::vector<std::string> stop,
                                const std::vector<std::string>& of_format) {
  stop.insert(stop.end(), of_format.begin(), of_format.end());
  return stop;
}

/// Ids of tool calls differ from turn to turn, and are the same for the same request when all of
/// the answer is.
std::uint64_t call_id_seed(const GenerateRequest& request, const std::string& prompt,
                           bool reproducible) {
  if (!reproducible) return base::SystemRandom().next();
  return std::hash<std::string>{}(prompt) ^
         static_cast<std::uint64_t>(request.sampling.seed.value_or(0));
}

}  // namespace

std::string token_piece(const llama_vocab& vocab, std::int32_t token, bool special) {
  std::string piece(32, '\0');
  std::int32_t size = llama_token_to_piece(&vocab, token, piece.data(),
                                           static_cast<std::int32_t>(piece.size()), 0, special);
  if (size < 0) {
    piece.resize(static_cast<std::size_t>(-size));
    size = llama_token_to_piece(&vocab, token, piece.data(), -size, 0, special);
  }
  piece.resize(static_cast<std::size_t>(size));
  return piece;
}

Answer::Answer(const llama_vocab& vocab, const GenerateRequest& request, ChatPrompt prompt,
               std::unique_ptr<TokenSampler> sampler, Limits limits, std::string model,
               std::string fingerprint, GenerateCallbacks callbacks)
    : vocab_(vocab),
      prompt_tokens_(std::move(prompt.tokens)),
      tool_format_(std::move(prompt.tool_format)),
      sampler_(std::move(sampler)),
      text_(joined(request.stop, prompt.stop)),
      limits_(limits),
      logprobs_(request.logprobs),
      top_logprobs_(request.top_logprobs),
      callbacks_(std::move(callbacks)) {
  if (tool_format_) {
    tools_ = std::make_unique<ToolCallStream>(
        *tool_format_, call_id_seed(request, prompt.text, sampler_->reproducible()));
  }
  completion_.model = std::move(model);
  completion_.fingerprint = std::move(fingerprint);
  completion_.prompt = std::move(prompt.text);
  completion_.usage.prompt_tokens = static_cast<std::int64_t>(prompt_tokens_.size());
}

void Answer::started(std::size_t cached_tokens) {
  completion_.usage.cached_tokens = static_cast<std::int64_t>(cached_tokens);
}

std::optional<std::int32_t> Answer::next(llama_context& context, std::int32_t row) {
  const float* logits = llama_get_logits_ith(&context, row);
  const Result<std::int32_t> sampled = sampler_->sample(context, row);
  if (!sampled) {
    fail(sampled.error());
    return std::nullopt;
  }
  const std::int32_t token = *sampled;
  if (llama_vocab_is_eog(&vocab_, token)) {
    finish(FinishReason::kStop);
    return std::nullopt;
  }
  ++completion_.usage.completion_tokens;
  const std::string bytes = token_piece(vocab_, token, sampler_->preserves(token));
  if (logprobs_) note_logprob(logits, token, bytes);
  raw_bytes_ += bytes.size();
  send({.text = text_.push(bytes), .logprobs = {}, .tool_calls = {}});
  if (text_.stopped()) {
    finish(FinishReason::kStop);
    return std::nullopt;
  }
  // The token just sampled needs a cell only when another one shall follow it.
  const std::int64_t cells = completion_.usage.prompt_tokens + completion_.usage.completion_tokens;
  if (completion_.usage.completion_tokens >= limits_.max_tokens || cells > limits_.context_tokens) {
    finish(FinishReason::kLength);
    return std::nullopt;
  }
  return token;
}

void Answer::note_logprob(const float* logits, std::int32_t token, const std::string& bytes) {
  const LogSoftmax probabilities(logits, llama_vocab_n_tokens(&vocab_));
  PendingLogprob pending{raw_bytes_, {bytes, probabilities[token], {}}};
  for (const std::int32_t other : probabilities.top(top_logprobs_)) {
    pending.logprob.top.push_back(
        {token_piece(vocab_, other, /*special=*/true), probabilities[other]});
  }
  pending_.push_back(std::move(pending));
}

/// Passes on the probabilities of the tokens that begin in text already sent.
void Answer::release_logprobs(Delta& delta) {
  std::size_t ready = 0;
  while (ready < pending_.size() && pending_[ready].byte < text_.sent_bytes()) ++ready;
  for (std::size_t i = 0; i < ready; ++i) {
    completion_.logprobs.push_back(pending_[i].logprob);
    delta.logprobs.push_back(std::move(pending_[i].logprob));
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(ready));
}

void Answer::send(Delta delta) {
  if (tools_ && !delta.text.empty()) delta = tools_->push(delta.text);
  release_logprobs(delta);
  completion_.text += delta.text;
  if (callbacks_.on_delta &&
      !(delta.text.empty() && delta.logprobs.empty() && delta.tool_calls.is_null()))
    callbacks_.on_delta(delta);
}

void Answer::finish(FinishReason reason) {
  assert(callbacks_.on_done);
  send({.text = text_.finish(), .logprobs = {}, .tool_calls = {}});
  if (tools_) {
    Delta rest = tools_->finish();
    completion_.text += rest.text;
    if (callbacks_.on_delta && !(rest.text.empty() && rest.tool_calls.is_null()))
      callbacks_.on_delta(rest);
    completion_.tool_calls = tools_->tool_calls();
    if (reason == FinishReason::kStop && !completion_.tool_calls.is_null())
      reason = FinishReason::kToolCalls;
  }
  completion_.finish_reason = reason;
  callbacks_.on_done(std::move(completion_));
  callbacks_.on_done = nullptr;
}

void Answer::fail(Error error) {
  assert(callbacks_.on_done);
  callbacks_.on_done(rapport::fail(std::move(error)));
  callbacks_.on_done = nullptr;
}

}  // namespace rapport::language
