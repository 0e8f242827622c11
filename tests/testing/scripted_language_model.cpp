#include "testing/scripted_language_model.h"

#include <memory>
#include <sstream>

namespace rapport::testing {
namespace {

using language::ChatMessage;
using language::Completion;
using language::Delta;
using language::FinishReason;

std::int64_t count_words(const std::string& text) {
  std::istringstream stream(text);
  std::int64_t count = 0;
  for (std::string word; stream >> word;) ++count;
  return count;
}

/// Each word with the white space before it, so that the pieces join to the text.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> pieces;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find_first_not_of(" \n\t", begin);
    end = end == std::string::npos ? text.size() : text.find_first_of(" \n\t", end);
    if (end == std::string::npos) end = text.size();
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

std::string render(const std::vector<ChatMessage>& messages) {
  std::string prompt;
  for (const ChatMessage& message : messages)
    prompt += message.role() + ": " + message.content() + "\n";
  return prompt;
}

Json with_index(const Json& tool_calls) {
  Json deltas = Json::array();
  for (const Json& call : tool_calls) {
    Json delta = {{"index", deltas.size()}};
    delta.update(call);
    deltas.push_back(std::move(delta));
  }
  return deltas;
}

ScriptedLanguageModel::Script in_turn(std::vector<std::string> answers) {
  auto next = std::make_shared<std::size_t>(0);
  return [answers = std::move(answers), next](const language::GenerateRequest&) -> ScriptedReply {
    if (answers.empty()) return {};
    const std::size_t index = std::min((*next)++, answers.size() - 1);
    return {.text = answers[index]};
  };
}

}  // namespace

ScriptedLanguageModel::ScriptedLanguageModel(Script script)
    : script_(std::move(script)), worker_([this](const std::stop_token& stop) { run(stop); }) {}

ScriptedLanguageModel::ScriptedLanguageModel(std::vector<std::string> answers)
    : ScriptedLanguageModel(in_turn(std::move(answers))) {}

ScriptedLanguageModel::~ScriptedLanguageModel() {
  worker_.request_stop();
  worker_.join();
}

std::vector<language::GenerateRequest> ScriptedLanguageModel::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void ScriptedLanguageModel::hold_after(std::size_t pieces) {
  const std::lock_guard lock(mutex_);
  hold_after_ = pieces;
}

void ScriptedLanguageModel::release() {
  const std::lock_guard lock(mutex_);
  hold_after_ = kNoHold;
  changed_.notify_all();
}

void ScriptedLanguageModel::wait_until_held() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return held_; });
}

void ScriptedLanguageModel::refuse(std::optional<Error> error) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(error);
}

void ScriptedLanguageModel::set_context_tokens(std::int64_t tokens) {
  const std::lock_guard lock(mutex_);
  context_tokens_ = tokens;
}

Result<void> ScriptedLanguageModel::do_check(const language::GenerateRequest&) const {
  const std::lock_guard lock(mutex_);
  if (refusal_) return fail(*refusal_);
  return {};
}

void ScriptedLanguageModel::do_generate(language::GenerateRequest request,
                                        language::GenerateCallbacks callbacks) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
  queue_.push_back({std::move(request), std::move(callbacks)});
  changed_.notify_all();
}

Result<std::int64_t> ScriptedLanguageModel::do_count_tokens(
    const std::vector<ChatMessage>& messages, const Json& tools) const {
  return count_words(render(messages)) + (tools.is_null() ? 0 : count_words(tools.dump()));
}

std::vector<language::ModelInfo> ScriptedLanguageModel::do_models() const {
  const std::lock_guard lock(mutex_);
  return {{.id = "scripted", .backend = "scripted", .context_tokens = context_tokens_}};
}

void ScriptedLanguageModel::run(const std::stop_token& shutdown) {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, shutdown, [this] { return !queue_.empty(); })) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    if (shutdown.stop_requested()) {
      job.callbacks.on_done(fail(ErrorCode::kUnavailable, "the model is shutting down"));
    } else {
      answer(job, shutdown);
    }
  }
}

bool ScriptedLanguageModel::pass_hold(const std::stop_token& request,
                                      const std::stop_token& shutdown) {
  const std::stop_callback wake_on_cancel(request, [this] {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  });
  std::unique_lock lock(mutex_);
  held_ = true;
  changed_.notify_all();
  changed_.wait(lock, shutdown, [&] { return hold_after_ == kNoHold || request.stop_requested(); });
  held_ = false;
  return !request.stop_requested() && !shutdown.stop_requested();
}

void ScriptedLanguageModel::answer(const Job& job, const std::stop_token& shutdown) {
  const ScriptedReply reply = script_(job.request);
  const std::vector<std::string> pieces =
      reply.pieces.empty() ? words_of(reply.text) : reply.pieces;
  const std::size_t limit =
      job.request.max_tokens ? static_cast<std::size_t>(*job.request.max_tokens) : pieces.size();

  Completion completion;
  completion.model = "scripted";
  completion.fingerprint = "scripted-1";
  completion.prompt = render(job.request.messages);
  completion.usage.prompt_tokens = count_words(completion.prompt);
  completion.finish_reason = pieces.size() > limit ? FinishReason::kLength : FinishReason::kStop;

  bool go_on = true;
  for (std::size_t i = 0; go_on; ++i) {
    bool hold = false;
    {
      const std::lock_guard lock(mutex_);
      hold = i >= hold_after_;
    }
    go_on = hold ? pass_hold(job.request.stop_token, shutdown)
                 : !job.request.stop_token.stop_requested();
    if (!go_on || i >= std::min(limit, pieces.size())) break;
    completion.text += pieces[i];
    ++completion.usage.completion_tokens;
    Delta delta{.text = pieces[i], .logprobs = {}, .tool_calls = {}};
    if (i == 0) delta.logprobs = reply.logprobs;
    if (job.callbacks.on_delta) job.callbacks.on_delta(delta);
  }
  if (!go_on) {
    completion.finish_reason = FinishReason::kCancelled;
  } else if (!reply.tool_calls.is_null()) {
    completion.finish_reason = FinishReason::kToolCalls;
    completion.tool_calls = reply.tool_calls;
    if (job.callbacks.on_delta)
      job.callbacks.on_delta(
          {.text = {}, .logprobs = {}, .tool_calls = with_index(reply.tool_calls)});
  }
  if (go_on && reply.finish_reason) completion.finish_reason = *reply.finish_reason;
  completion.logprobs = reply.logprobs;

  if (go_on && reply.error) {
    job.callbacks.on_done(fail(*reply.error));
  } else {
    job.callbacks.on_done(std::move(completion));
  }
}

}  // namespace rapport::testing
