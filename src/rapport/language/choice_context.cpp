#include "rapport/language/choice_context.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>

#include "rapport/language/embedded_sampler.h"
#include "rapport/language/embedded_slots.h"
#include "rapport/language/llama_runtime.h"
#include "rapport/language/model_adapter.h"

namespace rapport::language {
namespace {

/// Most prompt tokens at a time, llama.cpp's default. The tile is what `chunk_size` may add.
constexpr std::size_t kPromptTokens = 512;
/// Sequences beside the prompt's. Within a batch each choice has one of its own.
constexpr std::size_t kSequences = 127;
constexpr llama_seq_id kPrompt = 0;
constexpr std::size_t kCellsAtOnce = 256;  // contexts are made anew in steps of this

llama_seq_id sequence_of(std::size_t choice) {
  return static_cast<llama_seq_id>(1 + choice % kSequences);
}

}  // namespace

struct ChoiceContext::Batch {
  std::vector<llama_token> tokens;
  std::vector<llama_pos> positions;
  std::vector<llama_seq_id> sequences;
  std::vector<std::int8_t> outputs;

  void add(std::int32_t token, std::size_t position, llama_seq_id sequence, bool output) {
    tokens.push_back(token);
    positions.push_back(static_cast<llama_pos>(position));
    sequences.push_back(sequence);
    outputs.push_back(output ? 1 : 0);
  }
};

void ChoiceContext::Deleter::operator()(llama_context* context) const {
  llama_free(context);
}

ChoiceContext::ChoiceContext(const Settings& settings) : settings_(settings) {}

ChoiceContext::~ChoiceContext() = default;

Result<void> ChoiceContext::make_room(std::size_t cells) {
  if (llama_ && llama_n_ctx(llama_.get()) >= cells) {
    llama_memory_clear(llama_get_memory(llama_.get()), /*data=*/false);
    return {};
  }
  llama_.reset();
  llama_context_params params = llama_context_default_params();
  params.n_ctx =
      static_cast<std::uint32_t>((cells + kCellsAtOnce - 1) / kCellsAtOnce * kCellsAtOnce);
  params.n_batch = params.n_ubatch = static_cast<std::uint32_t>(std::max(
      kPromptTokens + attention_tiles(settings_.flash_attention).tile, settings_.batch_tokens));
  params.n_outputs_max = static_cast<std::uint32_t>(settings_.batch_tokens);
  params.n_seq_max = static_cast<std::uint32_t>(kSequences + 1);
  params.n_threads = params.n_threads_batch = settings_.threads;
  params.kv_unified = true;
  params.swa_full = true;
  params.flash_attn_type =
      settings_.flash_attention ? LLAMA_FLASH_ATTN_TYPE_AUTO : LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.no_perf = true;
  params.abort_callback = settings_.abort;
  params.abort_callback_data = settings_.abort_data;
  const LlamaLogCapture log;
  llama_.reset(llama_init_from_model(settings_.model, params));
  if (!llama_)
    return fail(ErrorCode::kUnavailable,
                fmt::format("llama.cpp has no memory for {} tokens of prompt and continuations "
                            "({}): send fewer or shorter ones",
                            cells, log.last_error()));
  return use_adapter(*llama_, settings_.adapter);
}

Result<void> ChoiceContext::begin(std::span<const std::int32_t> prompt,
                                  std::span<const std::vector<std::int32_t>> choices) {
  prompt_ = prompt;
  choices_ = choices;
  prompt_read_ = choice_ = token_ = remembered_ = 0;
  logprobs_.assign(choices.size(), 0.0f);
  std::size_t longest = 0;
  for (const auto& choice : choices) longest = std::max(longest, choice.size());
  // Beside a batch's cells live those of the choice that it goes on with.
  return make_room(prompt.size() + settings_.batch_tokens + longest);
}

void ChoiceContext::forget() {
  if (llama_) llama_memory_clear(llama_get_memory(llama_.get()), /*data=*/true);
}

Result<bool> ChoiceContext::go_on(std::size_t prompt_tokens, std::int32_t threads) {
  if (prompt_read_ < prompt_.size()) {
    TRY_VOID(read_prompt(
        chunk_size(prompt_.size() - prompt_read_, std::min(prompt_tokens, kPromptTokens),
                   attention_tiles(settings_.flash_attention).tile),
        threads));
  } else {
    TRY_VOID(read_choices(threads));
  }
  return prompt_read_ == prompt_.size() && choice_ == choices_.size();
}

Result<void> ChoiceContext::decode(Batch& batch, std::int32_t threads) {
  std::vector<std::int32_t> sequence_counts(batch.tokens.size(), 1);
  std::vector<llama_seq_id*> sequence_pointers;
  for (llama_seq_id& sequence : batch.sequences) sequence_pointers.push_back(&sequence);
  const LlamaLogCapture log;
  llama_set_n_threads(llama_.get(), threads, threads);
  const std::int32_t code =
      llama_decode(llama_.get(), {.n_tokens = static_cast<std::int32_t>(batch.tokens.size()),
                                  .token = batch.tokens.data(),
                                  .embd = nullptr,
                                  .pos = batch.positions.data(),
                                  .n_seq_id = sequence_counts.data(),
                                  .seq_id = sequence_pointers.data(),
                                  .logits = batch.outputs.data()});
  if (code == 2) return fail(ErrorCode::kUnavailable, "the language model is shutting down");
  if (code != 0)
    return fail(ErrorCode::kInternal,
                fmt::format("llama.cpp could not compute {} tokens (code {}): {}",
                            batch.tokens.size(), code, log.last_error()));
  return {};
}

Result<void> ChoiceContext::read_prompt(std::size_t count, std::int32_t threads) {
  const bool last = prompt_read_ + count == prompt_.size();
  Batch batch;
  for (std::size_t i = prompt_read_; i < prompt_read_ + count; ++i)
    batch.add(prompt_[i], i, kPrompt, i + 1 == prompt_.size());
  TRY_VOID(decode(batch, threads));
  prompt_read_ += count;
  if (!last) return {};
  const LogSoftmax first(llama_get_logits_ith(llama_.get(), static_cast<std::int32_t>(count) - 1),
                         llama_vocab_n_tokens(llama_model_get_vocab(settings_.model)));
  for (std::size_t c = 0; c < choices_.size(); ++c) logprobs_[c] = first[choices_[c].front()];
  return {};
}

void ChoiceContext::forget_until(std::size_t choice) {
  for (; remembered_ < choice; ++remembered_)
    llama_memory_seq_rm(llama_get_memory(llama_.get()), sequence_of(remembered_), -1, -1);
}

Result<void> ChoiceContext::read_choices(std::int32_t threads) {
  struct Wanted {
    std::size_t choice;
    std::int32_t next;  // the token whose probability the row gives
  };
  std::vector<Wanted> wanted;
  Batch batch;
  forget_until(choice_);
  while (choice_ < choices_.size() && choice_ - remembered_ < kSequences &&
         batch.tokens.size() < settings_.batch_tokens) {
    const auto& choice = choices_[choice_];
    // The last token is only looked up.
    if (token_ + 1 == choice.size()) {
      ++choice_;
      token_ = 0;
      continue;
    }
    if (token_ == 0)
      llama_memory_seq_cp(llama_get_memory(llama_.get()), kPrompt, sequence_of(choice_), -1, -1);
    batch.add(choice[token_], prompt_.size() + token_, sequence_of(choice_), /*output=*/true);
    wanted.push_back({choice_, choice[token_ + 1]});
    ++token_;
  }
  if (wanted.empty()) return {};
  TRY_VOID(decode(batch, threads));
  const std::int32_t vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(settings_.model));
  for (std::size_t row = 0; row < wanted.size(); ++row) {
    const LogSoftmax probabilities(
        llama_get_logits_ith(llama_.get(), static_cast<std::int32_t>(row)), vocabulary);
    logprobs_[wanted[row].choice] += probabilities[wanted[row].next];
  }
  return {};
}

}  // namespace rapport::language
