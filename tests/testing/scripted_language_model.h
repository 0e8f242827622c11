// A LanguageModel that says what the test tells it to, and remembers what it was asked.
//
//   ScriptedLanguageModel model({"Hello!", "Goodbye!"});                    // in turn; the last
//   repeats ScriptedLanguageModel model([](const GenerateRequest& request) -> ScriptedReply {
//     return {.text = request.messages.back().content() + "?"};             // or from the request
//   });
//   ScriptedLanguageModel model([](auto&) -> ScriptedReply { return {.error = Error{…}}; });
//   model.hold_after(1);                        // the first piece goes out, then all waits …
//   model.wait_until_held();                    // … the test now knows that it does …
//   model.release();                            // … and lets it go on
//   EXPECT_EQ(model.requests().at(0).messages.size(), 2u);
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "rapport/language/language_model.h"

namespace rapport::testing {

struct ScriptedReply {
  std::string text = {};
  /// What the deltas carry; empty: `text` word by word.
  std::vector<std::string> pieces = {};
  Json tool_calls = {};  // whole; streamed as one delta with `index`
  std::vector<language::TokenLogprob> logprobs = {};
  /// Not set: kToolCalls with tool calls, kLength when max_tokens cut it, kStop otherwise.
  std::optional<language::FinishReason> finish_reason = {};
  /// Comes instead of the completion, after the pieces.
  std::optional<Error> error = {};
};

/// One worker thread answers requests in the order they came and runs all callbacks. A "token" is a
/// word: in `usage`, in `count_tokens`, and for `max_tokens` (a piece). `Completion::prompt` is
/// every message as "role: content\n". Requests still waiting at destruction get kUnavailable.
class ScriptedLanguageModel final : public language::LanguageModel {
 public:
  using Script = std::function<ScriptedReply(const language::GenerateRequest&)>;

  explicit ScriptedLanguageModel(Script script);
  /// Answers in turn; the last one repeats.
  explicit ScriptedLanguageModel(std::vector<std::string> answers);
  ~ScriptedLanguageModel() override;

  /// What was asked so far, in order of arrival.
  std::vector<language::GenerateRequest> requests() const;

  /// Whether it was told to forget what it keeps of earlier requests.
  bool forgotten() const { return forgotten_; }

  /// From now on each answer stops after `pieces` deltas until `release()` or a stop token.
  void hold_after(std::size_t pieces);
  /// Lets the held answers, and all later ones, go on.
  void release();
  /// Returns when an answer is waiting at the hold.
  void wait_until_held() const;

  /// Tests of refusals: `check` returns this until it is reset.
  void refuse(std::optional<Error> error);
  void set_context_tokens(std::int64_t tokens);

 private:
  struct Job {
    language::GenerateRequest request;
    language::GenerateCallbacks callbacks;
  };

  Result<void> do_check(const language::GenerateRequest& request) const override;
  void do_generate(language::GenerateRequest request,
                   language::GenerateCallbacks callbacks) override;
  Result<std::int64_t> do_count_tokens(const std::vector<language::ChatMessage>& messages,
                                       const Json& tools) const override;
  std::vector<language::ModelInfo> do_models() const override;
  void do_forget() override { forgotten_ = true; }

  void run(const std::stop_token& shutdown);
  void answer(const Job& job, const std::stop_token& shutdown);
  /// True when the answer may go on, false when it was cancelled or the model shuts down.
  bool pass_hold(const std::stop_token& request, const std::stop_token& shutdown);

  static constexpr std::size_t kNoHold = std::numeric_limits<std::size_t>::max();

  const Script script_;
  std::atomic<bool> forgotten_ = false;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::deque<Job> queue_;
  std::vector<language::GenerateRequest> requests_;
  std::size_t hold_after_ = kNoHold;
  bool held_ = false;
  std::optional<Error> refusal_;
  std::int64_t context_tokens_ = 4096;
  std::jthread worker_;  // last: stops and joins before what it uses goes away
};

}  // namespace rapport::testing
