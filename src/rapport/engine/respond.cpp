#include "rapport/engine/respond.h"

#include <atomic>
#include <condition_variable>
#include <future>

#include "rapport/base/log.h"
#include "rapport/engine/chat_recommendation.h"
#include "rapport/engine/job_runner.h"
#include "rapport/engine/learn.h"
#include "rapport/engine/steps.h"
#include "rapport/guard/output_filter.h"

namespace rapport::engine {

void EngineOptions::describe(base::OptionSet& set) {
  set.add(
      "engine.default_degree", default_degree,
      "how far personalisation goes for users who set nothing: 0 generic, 1 settings, 2 profile, "
      "3 memory",
      0, 3);
  set.add("engine.max_choices", max_choices, "upper bound of a request's n", 1, 128);
  set.add("engine.reserve_tokens", reserve_tokens,
          "tokens kept free for the answer when a request names no max_tokens", 1, 1'000'000);
  set.add("engine.context_tokens", context_tokens,
          "context of a remote model in tokens; 0: unknown, never shorten a conversation for it", 0,
          100'000'000);
  set.add("engine.personal_tokens", personal_tokens,
          "at most this many tokens of a prompt are facts", 0, 1'000'000);
  set.add("engine.workers", workers, "threads that prepare and record requests", 1, 256);
  set.add("engine.max_queued", max_queued, "requests that may wait for one of them", 1, 1'000'000);
}

namespace {

// Wraps, because a client may send the largest seed there is.
std::int64_t seed_of_choice(std::int64_t seed, std::size_t choice) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(seed) + choice);
}

}  // namespace

struct Responder::Parts {
  EngineOptions options;
  store::Store& store;
  const store::KeyRing& keys;
  language::LanguageModel& model;
  const base::Clock& clock;
  base::Random& random;
  Recommender* recommender;
  JobRunner jobs;
  // Requests wait for `prepare`; `finish` takes what is already accepted, so it must never refuse.
  base::ThreadPool prepare;
  base::ThreadPool finish;

  std::mutex mutex;
  std::condition_variable idle;
  std::int64_t running = 0;
  bool stopping = false;
};

// One request on its way. It keeps itself alive through the callbacks of the model; its steps run
// one after the other, so only the choices, which a model may stream at once, need the lock.
struct Responder::Flow : std::enable_shared_from_this<Responder::Flow> {
  Flow(Parts& parts_in, ChatRequest request_in, AnswerSink sink_in, std::stop_token stop_in)
      : parts(parts_in),
        request(std::move(request_in)),
        sink(std::move(sink_in)),
        stop(std::move(stop_in)) {}
  ~Flow() {
    const std::lock_guard lock(parts.mutex);
    if (--parts.running == 0) parts.idle.notify_all();
  }

  void run();
  Result<void> prepare();
  void pick_from_catalogue();
  void generate();
  void answer_with_list();
  void finish();
  Result<Answer> record_and_answer();

  void on_delta(std::size_t choice, const language::Delta& delta);
  void on_done(std::size_t choice, Result<language::Completion> completion);
  void begin_step(const char* step);

  Parts& parts;
  const ChatRequest request;
  const AnswerSink sink;
  const std::stop_token stop;

  Trace trace;
  Place where;
  std::vector<guard::OutputFilter> filters;  // one a choice, none at degree 0
  std::chrono::steady_clock::time_point step_began;

  std::mutex mutex;
  std::vector<language::Completion> completions;
  std::size_t waiting = 0;
  std::optional<Error> error;
};

// A chat request becomes a personal answer. Each step adds to the trace; the trace is the
// explanation.
Result<void> Responder::Flow::prepare() {
  const base::UnixMillis now = parts.clock.now();
  const auto by_default = static_cast<profile::Degree>(parts.options.default_degree);
  trace.response_id = parts.random.id("chatcmpl-");
  trace.created = now;
  trace.domain = request.domain;

  begin_step("identify");
  TRY(trace.as_of, parts.store.erasure_mark());
  TRY(trace.who, identify(request.caller, parts.keys));
  begin_step("permit");
  profile::Settings settings;
  if (!trace.who.user.empty()) {
    TRY(const Json stored, parts.store.settings(trace.who.user));
    TRY(settings, profile::parse_settings(stored));
  }
  trace.permit = permit(trace.who, settings, request.degree, by_default);
  begin_step("recall");
  if (trace.permit.keep_turns()) {
    TRY(where, place(request, trace.who.user, parts.store, now, parts.random));
    trace.conversation = where.conversation.id;
  }
  TRY(trace.recalled, recall(trace.permit, request, where, settings, parts.store, parts.options,
                             now, parts.random, trace.left_out));
  begin_step("decide");
  trace.choice = decide(trace.permit, trace.recalled);
  pick_from_catalogue();
  if (trace.list) return {};
  begin_step("compose");
  TRY(trace.prompt, compose(trace.permit, request, trace.recalled, trace.choice, parts.model,
                            parts.options, trace.left_out));
  begin_step("generate");
  return {};
}

void Responder::Flow::run() {
  if (auto prepared = prepare(); !prepared) return sink.on_done(fail(std::move(prepared).error()));
  if (trace.list) return answer_with_list();
  generate();
}

// When all that is asked for is a recommendation, the list takes the place of steps 5 and 6.
void Responder::Flow::pick_from_catalogue() {
  if (parts.recommender == nullptr) return;
  const auto asked = asks_catalogue(request, trace.permit, trace.recalled, *parts.recommender);
  if (!asked) return;
  begin_step("recommend");
  auto list = parts.recommender->recommend(*asked);
  if (list) {
    trace.list = *std::move(list);
  } else {
    // The language model can still say something.
    base::log_warning("no recommendation for a chat", {{"error", list.error().message}});
    trace.left_out.push_back({"the catalogue", list.error().message});
  }
}

void Responder::Flow::answer_with_list() {
  language::Completion completion;
  completion.model = trace.list->catalogue + "/" + trace.list->model;
  waiting = 1;
  completions.resize(1);
  filters.assign(1, guard::OutputFilter(fence_marks()));
  if (sink.on_start) sink.on_start(trace.response_id, trace.conversation, completion.model);
  for (std::string& piece : in_words(*trace.list)) {
    completion.text += piece;
    on_delta(0, {.text = std::move(piece), .logprobs = {}, .tool_calls = {}});
  }
  on_done(0, std::move(completion));
}

// The choices of one request share its prompt; the embedded model then computes that prompt once.
void Responder::Flow::generate() {
  language::GenerateRequest generate = request.generate;
  generate.messages = trace.prompt.messages;
  generate.stop_token = stop;
  if (!trace.who.user.empty()) generate.end_user = parts.keys.upstream_pseudonym(trace.who.user);
  if (auto fits = parts.model.check(generate); !fits)
    return sink.on_done(fail(std::move(fits).error()));

  const auto n = static_cast<std::size_t>(request.n);
  waiting = n;
  completions.resize(n);
  if (trace.permit.settings()) filters.assign(n, guard::OutputFilter(fence_marks()));
  if (sink.on_start) sink.on_start(trace.response_id, trace.conversation, generate.model);
  for (std::size_t choice = 0; choice < n; ++choice) {
    language::GenerateRequest own = generate;
    // One seed for all would make n times the same answer.
    if (own.sampling.seed) own.sampling.seed = seed_of_choice(*own.sampling.seed, choice);
    auto self = shared_from_this();
    parts.model.generate(
        std::move(own),
        {.on_delta = [self, choice](const language::Delta& d) { self->on_delta(choice, d); },
         .on_done =
             [self, choice](Result<language::Completion> done) {
               self->on_done(choice, std::move(done));
             }});
  }
}

void Responder::Flow::on_delta(std::size_t choice, const language::Delta& delta) {
  if (!sink.on_delta) return;
  if (filters.empty()) return sink.on_delta(static_cast<std::int64_t>(choice), delta);
  language::Delta safe = delta;
  safe.text = filters[choice].push(delta.text);
  sink.on_delta(static_cast<std::int64_t>(choice), safe);
}

void Responder::Flow::on_done(std::size_t choice, Result<language::Completion> completion) {
  if (completion && !filters.empty()) {
    // The whole text goes through a filter of its own: it is the same text, however it was cut into
    // deltas.
    if (std::string rest = filters[choice].finish(); !rest.empty() && sink.on_delta) {
      sink.on_delta(static_cast<std::int64_t>(choice),
                    {.text = std::move(rest), .logprobs = {}, .tool_calls = {}});
    }
    guard::OutputFilter whole(fence_marks());
    completion->text = whole.push(completion->text) + whole.finish();
    const std::lock_guard lock(mutex);
    trace.guard.redactions += whole.redactions();
    for (std::string& rule : whole.rules()) trace.guard.rules.push_back(std::move(rule));
  }
  {
    const std::lock_guard lock(mutex);
    if (completion) {
      completions[choice] = *std::move(completion);
    } else if (!error) {
      error = std::move(completion).error();
    }
    if (--waiting > 0) return;
  }
  // Not on the model's thread: what follows waits for the disk.
  auto self = shared_from_this();
  if (!parts.finish.post([self] { self->finish(); })) finish();
}

void Responder::Flow::finish() {
  if (error) return sink.on_done(fail(*std::move(error)));
  sink.on_done(record_and_answer());
}

Result<Answer> Responder::Flow::record_and_answer() {
  begin_step("");  // the time of this step cannot be in what it writes
  trace.completions = std::move(completions);
  // Only now: a request that was refused on the way must not make its user known.
  if (trace.permit.keep_turns())
    TRY_VOID(parts.store.ensure_user(trace.who.user, trace.who.app, trace.who.name, trace.as_of));
  TRY_VOID(parts.store.record_exchange(record(trace, where, parts.clock.now(), parts.random)));
  parts.jobs.wake();

  Answer answer;
  answer.id = trace.response_id;
  answer.conversation = trace.conversation;
  answer.created = trace.created;
  answer.model = trace.completions.front().model;
  answer.degree = trace.permit.degree;
  for (const language::Completion& completion : trace.completions) {
    answer.usage.prompt_tokens =
        std::max(answer.usage.prompt_tokens, completion.usage.prompt_tokens);
    answer.usage.cached_tokens =
        std::max(answer.usage.cached_tokens, completion.usage.cached_tokens);
    answer.usage.completion_tokens += completion.usage.completion_tokens;
  }
  answer.choices = std::move(trace.completions);
  return answer;
}

// Ends the step before, if any, and begins the next; "" only ends.
void Responder::Flow::begin_step(const char* step) {
  const auto now = parts.clock.steady();
  if (!trace.steps.empty()) {
    trace.steps.back().milliseconds =
        std::chrono::duration<double, std::milli>(now - step_began).count();
  }
  step_began = now;
  if (*step != 0) trace.steps.push_back({step, 0});
}

Responder::Responder(EngineOptions options, store::Store& store, const store::KeyRing& keys,
                     language::LanguageModel& model, const base::Clock& clock, base::Random& random,
                     Recommender* recommender)
    : parts_(new Parts{
          options,
          store,
          keys,
          model,
          clock,
          random,
          recommender,
          {store,
           clock,
           {{kObserveJob,
             [&store](const store::Job& job, JobContext&) { return observe_turns(job, store); }}}},
          {"prepare", static_cast<std::size_t>(options.workers),
           static_cast<std::size_t>(options.max_queued)},
          {"finish", static_cast<std::size_t>(options.workers), std::size_t{1} << 20},
          {},
          {},
          0,
          false}) {}

Responder::~Responder() {
  shutdown();
}

void Responder::respond(ChatRequest request, AnswerSink sink, std::stop_token stop_token) {
  if (request.n < 1 || request.n > parts_->options.max_choices) {
    return sink.on_done(fail(ErrorCode::kInvalidArgument,
                             "n must be from 1 to " + std::to_string(parts_->options.max_choices) +
                                 ", not " + std::to_string(request.n),
                             "n"));
  }
  {
    const std::lock_guard lock(parts_->mutex);
    if (parts_->stopping) {
      return sink.on_done(fail(Error{.code = ErrorCode::kUnavailable,
                                     .message = "the server is shutting down: try again soon",
                                     .param = {},
                                     .reason = {},
                                     .retry_after = std::chrono::seconds(2)}));
    }
    ++parts_->running;
  }
  auto flow =
      std::make_shared<Flow>(*parts_, std::move(request), std::move(sink), std::move(stop_token));
  if (auto posted = parts_->prepare.post([flow] { flow->run(); }); !posted) {
    flow->sink.on_done(fail(std::move(posted).error()));
  }
}

void Responder::shutdown() {
  std::unique_lock lock(parts_->mutex);
  parts_->stopping = true;
  parts_->idle.wait(lock, [this] { return parts_->running == 0; });
}

Result<Answer> respond_and_wait(Responder& responder, ChatRequest request,
                                std::function<void(std::int64_t, const language::Delta&)> on_delta,
                                std::stop_token stop_token) {
  std::promise<Result<Answer>> promise;
  responder.respond(
      std::move(request),
      {.on_start = {},
       .on_delta = std::move(on_delta),
       .on_done = [&](Result<Answer> answer) { promise.set_value(std::move(answer)); }},
      std::move(stop_token));
  return promise.get_future().get();
}

}  // namespace rapport::engine
