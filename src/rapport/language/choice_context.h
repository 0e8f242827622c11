// Continuations of several tokens, weighed after one prompt: all of them are computed together.
//
//   TRY_VOID(choices.begin(prompt, continuations));
//   while (!done) { TRY(done, choices.go_on(/*prompt_tokens=*/512, threads)); }
//   choices.logprobs();
//
// A llama.cpp context of its own, in which continuations share the cells of the prompt: the one of
// conversations (inference_thread.h) keeps them apart. 20 titles of 8 tokens after a prompt are one
// computation of 140 tokens here instead of 20 of 7.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rapport/base/result.h"

struct llama_adapter_lora;
struct llama_context;
struct llama_model;

namespace rapport::language {

/// Not thread-safe.
class ChoiceContext {
 public:
  struct Settings {
    llama_model* model = nullptr;           // outlives it
    llama_adapter_lora* adapter = nullptr;  // null: none
    bool flash_attention = true;
    std::int32_t threads = 1;  // at most
    /// Tokens of continuations computed at a time, each with its logits: 50 MB of them for 256 and
    /// a vocabulary of 49,152. One of EmbeddedOptions, for they must not hang on what runs beside.
    std::size_t batch_tokens = 128;
    /// Ends a computation once it returns true.
    bool (*abort)(void*) = nullptr;
    void* abort_data = nullptr;
  };

  explicit ChoiceContext(const Settings& settings);
  ~ChoiceContext();
  ChoiceContext(const ChoiceContext&) = delete;
  ChoiceContext& operator=(const ChoiceContext&) = delete;

  /// Forgets what was under way. `prompt` and `choices` have a token at least each and stay until
  /// it is done. Errors: kUnavailable where memory is short.
  Result<void> begin(std::span<const std::int32_t> prompt,
                     std::span<const std::vector<std::int32_t>> choices);

  /// Computes a piece: some `prompt_tokens` of the prompt, or a batch of continuations; true once
  /// there is nothing left. How the prompt is cut does not show in the numbers: the same request
  /// gives the same. Errors: kUnavailable (ended); kInternal.
  Result<bool> go_on(std::size_t prompt_tokens, std::int32_t threads);

  /// Drops what it still holds of the last one, the numbers themselves too. Not while one is under
  /// way.
  void forget();

  /// [choices] once done.
  const std::vector<float>& logprobs() const { return logprobs_; }

 private:
  struct Batch;

  Result<void> make_room(std::size_t cells);
  Result<void> decode(Batch& batch, std::int32_t threads);
  Result<void> read_prompt(std::size_t count, std::int32_t threads);
  Result<void> read_choices(std::int32_t threads);
  void forget_until(std::size_t choice);

  struct Deleter {
    void operator()(llama_context* context) const;
  };
  const Settings settings_;
  std::unique_ptr<llama_context, Deleter> llama_;  // none before the first use

  std::span<const std::int32_t> prompt_;
  std::span<const std::vector<std::int32_t>> choices_;
  std::size_t prompt_read_ = 0;
  std::size_t choice_ = 0;      // the next token to read is of this one …
  std::size_t token_ = 0;       // … and this of it
  std::size_t remembered_ = 0;  // the first choice that may have cells
  std::vector<float> logprobs_;
};

}  // namespace rapport::language
