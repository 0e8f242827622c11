// The one thread that owns a llama.cpp context and computes all conversations on it side by side.
//
// Each round: refuse what was cancelled, give waiting requests a slot, compute one token for every
// answer that streams, and one piece of one prompt. Answers go on while prompts come in, because
// the pieces are small then; several prompts are read in the order they came.
//
// Each conversation has a stream of the cache to itself (llama.cpp's kv_unified is off). Measured
// on 2 cores with SmolLM2-135M at 900 tokens each, 8 tokens of 8 conversations take 88 ms of
// processor time, 116 ms in a shared cache, and what a conversation computes does not depend on
// where in the cache it lies. The price: a common beginning is copied, not shared.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <thread>
#include <variant>
#include <vector>

#include "rapport/language/choice_context.h"
#include "rapport/language/embedded_answer.h"
#include "rapport/language/embedded_model.h"
#include "rapport/language/embedded_slots.h"

struct ggml_threadpool;
struct llama_adapter_lora;
struct llama_context;
struct llama_model;

namespace rapport::language {

/// A `score_choices` under way.
struct Scoring {
  std::vector<std::int32_t> prompt;
  std::vector<std::vector<std::int32_t>> choices;  // each with at least one token
  std::stop_token stop_token;
  std::function<void(Result<ChoiceScores>)> on_done;

  void done(std::vector<float> logprobs);
};

class InferenceThread {
 public:
  /// `model`, and `adapter` unless it is null, must outlive it. Errors: kUnavailable when there is
  /// not enough memory.
  static Result<std::unique_ptr<InferenceThread>> start(llama_model& model,
                                                        llama_adapter_lora* adapter,
                                                        const EmbeddedOptions& options);
  /// As `shutdown`.
  ~InferenceThread();
  InferenceThread(const InferenceThread&) = delete;
  InferenceThread& operator=(const InferenceThread&) = delete;

  /// Thread-safe; returns at once. What cannot be taken in (queue full, shut down) fails at once,
  /// on the calling thread.
  void submit(std::unique_ptr<Answer> answer, std::stop_token stop_token);
  void submit(std::unique_ptr<Scoring> scoring);

  /// Drops what the slots hold of earlier requests, soon; those that run drop theirs when they end.
  /// Thread-safe; returns at once.
  void forget();

  /// Fails what waits and runs with kUnavailable and joins. Idempotent.
  void shutdown();

 private:
  using Work = std::variant<std::unique_ptr<Answer>, std::unique_ptr<Scoring>>;
  struct Task {
    Work work;
    std::stop_token stop_token;

    std::span<const std::int32_t> prompt() const;
    bool reproducible() const;
    void cancel();
    void fail(Error error);
  };
  struct Running {
    Task task;
    std::optional<std::int32_t>
        next;                 // the token to compute next; nullopt while the prompt is read
    std::uint64_t order = 0;  // of arrival
  };
  struct Context;

  InferenceThread(std::unique_ptr<Context> context, const ChoiceContext::Settings& choices,
                  const EmbeddedOptions& options);

  void submit(Task task);
  template <typename Queue>
  std::optional<Error> enqueue(Queue& queue, typename Queue::value_type& work);
  void run();
  bool wait_for_work();
  void fail_all(const Error& error);
  void drop_cancelled();
  void forget_slots();
  void forget_scoring();
  void admit();
  void place(Task task);
  bool decode_answers();
  void decode_together(std::span<const std::size_t> slots);
  void read_prompts(std::size_t budget);
  std::size_t read_piece(std::size_t slot, std::size_t limit);
  void prompt_is_read(std::size_t slot, std::int32_t row);
  void score(std::size_t slot, std::int32_t row);
  void score_choices(std::size_t prompt_tokens);
  /// Ends the slot's task with an error and forgets what the slot held.
  void abandon(std::size_t slot, const Error& error);
  void release(std::size_t slot);

  const EmbeddedOptions options_;
  std::unique_ptr<Context> context_;
  ChoiceContext choices_;
  std::unique_ptr<Scoring> scoring_;  // by choices_, under way
  const AttentionTiles attention_;
  SlotTable slots_;
  std::vector<std::optional<Running>> running_;  // [slots]
  std::uint64_t arrivals_ = 0;
  bool forget_scoring_ = false;  // the one under way leaves nothing either
  std::uint64_t kept_from_ = 0;  // arrivals before it leave nothing in their slots

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;                         // for slots
  std::deque<std::unique_ptr<Scoring>> scorings_;  // for choices_: of several tokens each
  bool stopping_ = false;
  bool forgetting_ = false;
  std::thread thread_;
};

}  // namespace rapport::language
