#include "rapport/language/inference_thread.h"

#include <fmt/format.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <llama.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <ctime>

#include "rapport/base/log.h"
#include "rapport/language/embedded_threads.h"
#include "rapport/language/llama_runtime.h"
#include "rapport/language/model_adapter.h"

namespace rapport::language {
namespace {

/// Fewer answers than this are computed one after the other: llama.cpp's matrix kernels start to
/// pay at three rows (SmolLM2-135M in Q8_0, 2 threads: 8.5 ms for one token, 17.5 for two, 18.5 for
/// three and for four, 27.7 for eight).
constexpr std::size_t kWorthBatching = 3;
/// Prompt tokens that a pass while answers wait must have room for.
constexpr std::size_t kWorthReading = 64;

Error shutting_down() {
  return {ErrorCode::kUnavailable,
          "the language model is shutting down",
          {},
          {},
          std::chrono::seconds(2)};
}

Error scoring_cancelled() {
  return {ErrorCode::kCancelled, "the caller cancelled the scoring", {}, {}, {}};
}

Error queue_full(std::int64_t max_queued) {
  return {ErrorCode::kUnavailable,
          fmt::format("{} requests wait for the language model already: try again later, or raise "
                      "language.embedded.max_queued",
                      max_queued),
          {},
          {},
          std::chrono::seconds(2)};
}

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

/// The llama.cpp context with what belongs to it; used by the inference thread only.
struct InferenceThread::Context {
  struct Deleter {
    void operator()(llama_context* context) const { llama_free(context); }
  };

  std::unique_ptr<llama_context, Deleter> llama;
  llama_memory_t memory = nullptr;
  std::int32_t vocabulary = 0;
  std::size_t max_batch = 0;
  ThreadCount thread_count{1};
  ggml_threadpool* threads = nullptr;
  decltype(&ggml_threadpool_free) free_threads = nullptr;
  std::atomic<bool> abort = false;

  // One batch, reused. `sequences` holds a number for each token, `sequence_pointers` points there.
  std::vector<llama_token> tokens;
  std::vector<llama_pos> positions;
  std::vector<std::int32_t> sequence_counts;
  std::vector<llama_seq_id> sequences;
  std::vector<llama_seq_id*> sequence_pointers;
  std::vector<std::int8_t> outputs;

  ~Context() {
    llama.reset();
    if (threads != nullptr && free_threads != nullptr) free_threads(threads);
  }

  void clear() {
    tokens.clear();
    positions.clear();
    sequences.clear();
    outputs.clear();
  }

  void add(std::int32_t token, std::size_t position, std::size_t sequence, bool output) {
    tokens.push_back(token);
    positions.push_back(static_cast<llama_pos>(position));
    sequences.push_back(static_cast<llama_seq_id>(sequence));
    outputs.push_back(output ? 1 : 0);
  }

  /// Errors: kInternal. What the batch's sequences hold is then not known.
  Result<void> decode() {
    sequence_counts.assign(tokens.size(), 1);
    sequence_pointers.resize(tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) sequence_pointers[i] = &sequences[i];
    const llama_batch batch{
        .n_tokens = static_cast<std::int32_t>(tokens.size()),
        .token = tokens.data(),
        .embd = nullptr,
        .pos = positions.data(),
        .n_seq_id = sequence_counts.data(),
        .seq_id = sequence_pointers.data(),
        .logits = outputs.data(),
    };
    const LlamaLogCapture log;
    llama_set_n_threads(llama.get(), thread_count.now(), thread_count.now());
    const auto start = std::chrono::steady_clock::now();
    const double start_on_processor = processor_seconds();
    const std::int32_t code = llama_decode(llama.get(), batch);
    if (code == 0) {
      llama_synchronize(llama.get());
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      thread_count.observe(elapsed.count(), processor_seconds() - start_on_processor);
      return {};
    }
    if (code == 2) return rapport::fail(shutting_down());
    return rapport::fail(ErrorCode::kInternal,
                         fmt::format("llama.cpp could not compute {} tokens (code {}): {}",
                                     tokens.size(), code, log.last_error()));
  }

  /// Drops all but the `count` first tokens; false when the model's memory cannot be cut (then it
  /// is empty).
  bool keep(std::size_t sequence, std::size_t count) {
    const auto id = static_cast<llama_seq_id>(sequence);
    if (llama_memory_seq_rm(memory, id, static_cast<llama_pos>(count), -1) &&
        llama_memory_seq_pos_max(memory, id) + 1 == static_cast<llama_pos>(count))
      return true;
    llama_memory_seq_rm(memory, id, -1, -1);
    return count == 0;
  }

  void copy(std::size_t from, std::size_t to) {
    llama_memory_seq_rm(memory, static_cast<llama_seq_id>(to), -1, -1);
    llama_memory_seq_cp(memory, static_cast<llama_seq_id>(from), static_cast<llama_seq_id>(to), -1,
                        -1);
  }

  const float* logits(std::int32_t row) { return llama_get_logits_ith(llama.get(), row); }

  /// Threads that stay between decodes; llama.cpp would make new ones for each.
  void keep_threads(std::int32_t count) {
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(cpu);
    const auto make = reinterpret_cast<decltype(&ggml_threadpool_new)>(
        ggml_backend_reg_get_proc_address(reg, "ggml_threadpool_new"));
    free_threads = reinterpret_cast<decltype(&ggml_threadpool_free)>(
        ggml_backend_reg_get_proc_address(reg, "ggml_threadpool_free"));
    if (make == nullptr || free_threads == nullptr) return;
    ggml_threadpool_params params = ggml_threadpool_params_default(count);
    params.poll = 1;  // spin some 3 ms for the next token's work, then sleep
    threads = make(&params);
    if (threads != nullptr) llama_attach_threadpool(llama.get(), threads, threads);
  }
};

void Scoring::done(std::vector<float> logprobs) {
  ChoiceScores scores{.logprobs = std::move(logprobs), .tokens = {}, .usage = {}};
  for (const auto& choice : choices)
    scores.tokens.push_back(static_cast<std::int32_t>(choice.size()));
  scores.usage.prompt_tokens = static_cast<std::int64_t>(prompt.size());
  on_done(std::move(scores));
}

std::span<const std::int32_t> InferenceThread::Task::prompt() const {
  if (const auto* answer = std::get_if<std::unique_ptr<Answer>>(&work)) return (*answer)->prompt();
  return std::get<std::unique_ptr<Scoring>>(work)->prompt;
}

bool InferenceThread::Task::reproducible() const {
  const auto* answer = std::get_if<std::unique_ptr<Answer>>(&work);
  return answer == nullptr || (*answer)->reproducible();
}

void InferenceThread::Task::cancel() {
  if (auto* answer = std::get_if<std::unique_ptr<Answer>>(&work)) {
    (*answer)->finish(FinishReason::kCancelled);
  } else {
    fail(scoring_cancelled());
  }
}

void InferenceThread::Task::fail(Error error) {
  if (auto* answer = std::get_if<std::unique_ptr<Answer>>(&work)) {
    (*answer)->fail(std::move(error));
  } else {
    std::get<std::unique_ptr<Scoring>>(work)->on_done(rapport::fail(std::move(error)));
  }
}

Result<std::unique_ptr<InferenceThread>> InferenceThread::start(llama_model& model,
                                                                llama_adapter_lora* adapter,
                                                                const EmbeddedOptions& options) {
  const auto slots = static_cast<std::size_t>(options.parallel);
  llama_context_params params = llama_context_default_params();
  // A tile more than `chunk_size` may return, so that no piece is split by llama.cpp.
  params.n_batch = static_cast<std::uint32_t>(std::max<std::int64_t>(
      {options.batch_tokens, options.shared_batch_tokens,
       2 * static_cast<std::int64_t>(attention_tiles(options.flash_attention).tile)}));
  params.n_ubatch = params.n_batch;
  params.n_ctx = static_cast<std::uint32_t>(options.context_tokens * options.parallel);
  params.n_seq_max = static_cast<std::uint32_t>(slots);
  params.n_outputs_max = static_cast<std::uint32_t>(slots);
  params.n_threads = static_cast<std::int32_t>(options.threads);
  params.n_threads_batch = params.n_threads;
  params.kv_unified = false;
  params.swa_full = true;  // or a sliding window would forget what a later turn wants to reuse
  params.flash_attn_type =
      options.flash_attention ? LLAMA_FLASH_ATTN_TYPE_AUTO : LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.no_perf = true;

  auto context = std::make_unique<Context>();
  params.abort_callback = [](void* flag) { return static_cast<std::atomic<bool>*>(flag)->load(); };
  params.abort_callback_data = &context->abort;
  const LlamaLogCapture log;
  context->llama.reset(llama_init_from_model(&model, params));
  if (!context->llama)
    return rapport::fail(
        ErrorCode::kUnavailable,
        fmt::format("llama.cpp cannot start {} conversations of {} tokens ({}): lower "
                    "language.embedded.parallel or language.embedded.context_tokens",
                    options.parallel, options.context_tokens, log.last_error()));
  TRY_VOID(use_adapter(*context->llama, adapter));
  context->memory = llama_get_memory(context->llama.get());
  if (context->memory == nullptr)
    return rapport::fail(ErrorCode::kUnsupported, "the model keeps no memory: it cannot generate",
                         "model");
  context->vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(&model));
  context->max_batch = params.n_batch;
  context->thread_count = ThreadCount(params.n_threads);
  context->keep_threads(params.n_threads);
  // Reads the weights from disk before someone waits for them.
  context->add(0, 0, 0, true);
  TRY_VOID(context->decode());
  context->clear();
  llama_memory_clear(context->memory, /*data=*/false);

  const ChoiceContext::Settings choices{
      .model = &model,
      .adapter = adapter,
      .flash_attention = options.flash_attention,
      .threads = params.n_threads,
      .batch_tokens = static_cast<std::size_t>(options.shared_batch_tokens),
      .abort = params.abort_callback,
      .abort_data = params.abort_callback_data};
  std::unique_ptr<InferenceThread> started(
      new InferenceThread(std::move(context), choices, options));
  started->thread_ = std::thread([thread = started.get()] { thread->run(); });
  return started;
}

InferenceThread::InferenceThread(std::unique_ptr<Context> context,
                                 const ChoiceContext::Settings& choices,
                                 const EmbeddedOptions& options)
    : options_(options),
      context_(std::move(context)),
      choices_(choices),
      attention_(attention_tiles(options.flash_attention)),
      slots_(static_cast<std::size_t>(options.parallel), attention_),
      running_(static_cast<std::size_t>(options.parallel)) {}

InferenceThread::~InferenceThread() {
  shutdown();
}

void InferenceThread::shutdown() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    context_->abort = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void InferenceThread::forget() {
  const std::lock_guard lock(mutex_);
  forgetting_ = true;
  wake_.notify_one();
}

void InferenceThread::submit(std::unique_ptr<Answer> answer, std::stop_token stop_token) {
  submit(Task{std::move(answer), std::move(stop_token)});
}

void InferenceThread::submit(std::unique_ptr<Scoring> scoring) {
  if (std::ranges::all_of(scoring->choices,
                          [](const auto& choice) { return choice.size() == 1; })) {
    std::stop_token stop_token = scoring->stop_token;
    submit(Task{std::move(scoring), std::move(stop_token)});
  } else if (auto refused = enqueue(scorings_, scoring)) {
    scoring->on_done(rapport::fail(*std::move(refused)));
  }
}

void InferenceThread::submit(Task task) {
  if (auto refused = enqueue(queue_, task)) task.fail(*std::move(refused));
}

/// Takes the work only when there is room for it.
template <typename Queue>
std::optional<Error> InferenceThread::enqueue(Queue& queue, typename Queue::value_type& work) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return shutting_down();
  if (queue_.size() + scorings_.size() >= static_cast<std::size_t>(options_.max_queued))
    return queue_full(options_.max_queued);
  queue.push_back(std::move(work));
  wake_.notify_one();
  return std::nullopt;
}

void InferenceThread::run() {
  while (wait_for_work()) {
    drop_cancelled();
    forget_slots();
    admit();
    const bool streaming = decode_answers();
    const auto budget =
        static_cast<std::size_t>(streaming ? options_.shared_batch_tokens : options_.batch_tokens);
    read_prompts(budget);
    score_choices(budget);
  }
  fail_all(shutting_down());
}

/// False at shutdown.
bool InferenceThread::wait_for_work() {
  std::unique_lock lock(mutex_);
  const bool busy =
      scoring_ || std::ranges::any_of(running_, [](const auto& slot) { return slot.has_value(); });
  if (!busy)
    wake_.wait(
        lock, [this] { return stopping_ || forgetting_ || !queue_.empty() || !scorings_.empty(); });
  return !stopping_;
}

void InferenceThread::fail_all(const Error& error) {
  for (std::size_t slot = 0; slot < running_.size(); ++slot) {
    if (running_[slot]) abandon(slot, error);
  }
  std::deque<Task> waiting;
  std::deque<std::unique_ptr<Scoring>> scorings;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(queue_);
    scorings.swap(scorings_);
  }
  for (Task& task : waiting) task.fail(error);
  if (scoring_) scorings.push_front(std::move(scoring_));
  for (const auto& scoring : scorings) scoring->on_done(rapport::fail(error));
}

void InferenceThread::drop_cancelled() {
  for (std::size_t slot = 0; slot < running_.size(); ++slot) {
    if (!running_[slot] || !running_[slot]->task.stop_token.stop_requested()) continue;
    running_[slot]->task.cancel();
    release(slot);
  }
  std::vector<Task> cancelled;
  std::vector<std::unique_ptr<Scoring>> scorings;
  const auto move_cancelled = [](auto& queue, auto& to, const auto& requested) {
    const auto first = std::stable_partition(queue.begin(), queue.end(),
                                             [&](const auto& each) { return !requested(each); });
    std::move(first, queue.end(), std::back_inserter(to));
    queue.erase(first, queue.end());
  };
  {
    const std::lock_guard lock(mutex_);
    move_cancelled(queue_, cancelled,
                   [](const Task& task) { return task.stop_token.stop_requested(); });
    move_cancelled(scorings_, scorings,
                   [](const auto& scoring) { return scoring->stop_token.stop_requested(); });
  }
  if (scoring_ && scoring_->stop_token.stop_requested()) scorings.push_back(std::move(scoring_));
  for (Task& task : cancelled) task.cancel();
  for (const auto& scoring : scorings) scoring->on_done(rapport::fail(scoring_cancelled()));
}

void InferenceThread::forget_slots() {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(forgetting_, false)) return;
  }
  kept_from_ = arrivals_;
  forget_scoring_ = true;
  forget_scoring();
  bool idle = true;
  for (std::size_t slot = 0; slot < running_.size(); ++slot) {
    if (running_[slot]) {
      idle = false;
      continue;
    }
    context_->keep(slot, 0);
    slots_.truncate(slot, 0);
  }
  // With the numbers themselves, which `keep` only marks as free.
  if (idle) llama_memory_clear(context_->memory, /*data=*/true);
}

/// Where it was asked for, once no scoring is under way.
void InferenceThread::forget_scoring() {
  if (!scoring_ && std::exchange(forget_scoring_, false)) choices_.forget();
}

void InferenceThread::admit() {
  while (std::ranges::any_of(running_, [](const auto& slot) { return !slot.has_value(); })) {
    Task task;
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    place(std::move(task));
  }
}

void InferenceThread::place(Task task) {
  const auto placement = slots_.place(task.prompt(), task.reproducible());
  assert(placement);
  const std::size_t slot = placement->slot;
  if (placement->copy_from) context_->copy(*placement->copy_from, slot);
  if (!context_->keep(slot, placement->keep)) slots_.truncate(slot, 0);
  if (auto* answer = std::get_if<std::unique_ptr<Answer>>(&task.work))
    (*answer)->started(slots_[slot].tokens.size());
  running_[slot] = Running{std::move(task), std::nullopt, arrivals_++};
}

/// One token for every answer that streams; false when none does.
bool InferenceThread::decode_answers() {
  bool streaming = false;
  std::vector<std::size_t> run;  // of neighbours: only those are computed together in llama.cpp
  const auto decode_run = [&] {
    if (run.size() >= kWorthBatching) {
      decode_together(run);
    } else {
      for (const std::size_t& slot : run) decode_together({&slot, 1});
    }
    run.clear();
  };
  for (std::size_t slot = 0; slot < running_.size(); ++slot) {
    if (running_[slot] && running_[slot]->next) {
      streaming = true;
      run.push_back(slot);
    } else {
      decode_run();
    }
  }
  decode_run();
  return streaming;
}

void InferenceThread::decode_together(std::span<const std::size_t> slots) {
  context_->clear();
  for (const std::size_t slot : slots)
    context_->add(*running_[slot]->next, slots_[slot].tokens.size(), slot, /*output=*/true);
  if (const auto decoded = context_->decode(); !decoded) {
    for (const std::size_t slot : slots) abandon(slot, decoded.error());
    return;
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Running& running = *running_[slots[i]];
    slots_.computed(slots[i], {&*running.next, 1});
    running.next = std::get<std::unique_ptr<Answer>>(running.task.work)
                       ->next(*context_->llama, static_cast<std::int32_t>(i));
    if (!running.next) release(slots[i]);
  }
}

/// Some `budget` tokens of prompts, in the order they came; a rest too small to be worth a pass
/// through the model waits. Short prompts that come together are
/// read together, before their answers go on: eight tokens at once take as long as three apart.
void InferenceThread::read_prompts(std::size_t budget) {
  while (budget >= kWorthReading) {
    std::optional<std::size_t> first;
    for (std::size_t slot = 0; slot < running_.size(); ++slot) {
      if (!running_[slot] || running_[slot]->next) continue;
      if (!first || running_[slot]->order < running_[*first]->order) first = slot;
    }
    if (!first) return;
    budget -= std::min(budget, read_piece(*first, budget));
  }
}

/// The next piece of a slot's prompt, of some `limit` tokens; returns how many were computed.
std::size_t InferenceThread::read_piece(std::size_t slot, std::size_t limit) {
  const std::span<const std::int32_t> prompt = running_[slot]->task.prompt();
  const std::size_t done = slots_[slot].tokens.size();
  const std::size_t count = chunk_size(prompt.size() - done, limit, attention_.tile);
  const bool last = done + count == prompt.size();
  context_->clear();
  for (std::size_t i = 0; i < count; ++i)
    context_->add(prompt[done + i], done + i, slot, /*output=*/last && i + 1 == count);
  if (const auto decoded = context_->decode(); !decoded) {
    abandon(slot, decoded.error());
    return count;
  }
  slots_.computed(slot, prompt.subspan(done, count));
  if (last) prompt_is_read(slot, static_cast<std::int32_t>(count) - 1);
  return count;
}

void InferenceThread::prompt_is_read(std::size_t slot, std::int32_t row) {
  Running& running = *running_[slot];
  if (std::holds_alternative<std::unique_ptr<Scoring>>(running.task.work)) {
    score(slot, row);
    return;
  }
  running.next = std::get<std::unique_ptr<Answer>>(running.task.work)->next(*context_->llama, row);
  if (!running.next) release(slot);
}

/// Of choices of one token each.
void InferenceThread::score(std::size_t slot, std::int32_t row) {
  const auto scoring = std::move(std::get<std::unique_ptr<Scoring>>(running_[slot]->task.work));
  const LogSoftmax first(context_->logits(row), context_->vocabulary);
  std::vector<float> logprobs;
  for (const auto& choice : scoring->choices) logprobs.push_back(first[choice.front()]);
  release(slot);
  scoring->done(std::move(logprobs));
}

/// A piece of the scoring whose choices have several tokens.
void InferenceThread::score_choices(std::size_t prompt_tokens) {
  forget_scoring();  // after one that was cancelled
  if (!scoring_) {
    {
      const std::lock_guard lock(mutex_);
      if (scorings_.empty()) return;
      scoring_ = std::move(scorings_.front());
      scorings_.pop_front();
    }
    if (auto begun = choices_.begin(scoring_->prompt, scoring_->choices); !begun) {
      std::exchange(scoring_, nullptr)->on_done(rapport::fail(std::move(begun).error()));
      return;
    }
  }
  auto done = choices_.go_on(prompt_tokens, context_->thread_count.now());
  if (done && !*done) return;
  const auto scoring = std::exchange(scoring_, nullptr);
  auto logprobs = done ? choices_.logprobs() : std::vector<float>();
  forget_scoring();
  if (done) {
    scoring->done(std::move(logprobs));
  } else {
    scoring->on_done(rapport::fail(std::move(done).error()));
  }
}

void InferenceThread::abandon(std::size_t slot, const Error& error) {
  if (error.code != ErrorCode::kUnavailable)
    base::log_error("a generation failed", {{"reason", error.message}});
  running_[slot]->task.fail(error);
  context_->keep(slot, 0);
  slots_.truncate(slot, 0);
  release(slot);
}

void InferenceThread::release(std::size_t slot) {
  if (running_[slot]->order < kept_from_) {
    context_->keep(slot, 0);
    slots_.truncate(slot, 0);
  }
  running_[slot].reset();
  slots_.release(slot);
}

}  // namespace rapport::language
