#include "rapport/language/remote_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>

#include "rapport/base/log.h"
#include "rapport/base/text.h"
#include "rapport/language/circuit_breaker.h"
#include "rapport/language/remote_answer.h"
#include "rapport/language/remote_error.h"
#include "rapport/language/remote_request.h"
#include "rapport/language/sse_reader.h"

namespace rapport::language {
namespace {

using std::chrono::milliseconds;

// For `count_tokens`: English text has some 4 bytes a token, and a chat template spends some 4
// tokens on each message's marks.
constexpr std::int64_t kBytesPerToken = 4;
constexpr std::int64_t kTokensPerMessage = 4;
// An error's body is read for its message only.
constexpr std::size_t kMaxErrorBytes = 64u << 10;
constexpr std::size_t kMaxAnswerBytes = 64u << 20;

bool is_default(const std::string& model) {
  return model.empty() || model == "default";
}

bool is_success(int status) {
  return status >= 200 && status < 300;
}

/// What may stand in a header: no control character, which could end it.
bool is_header_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

void RemoteOptions::describe(base::OptionSet& set) {
  set.add("language.remote.base_url", base_url,
          "OpenAI-compatible server, up to its version: https://api.openai.com/v1");
  set.add_secret("language.remote.api_key", api_key, "bearer token for it");
  set.add("language.remote.model", model, "its model that \"default\" means");
  set.add("language.remote.models", models, "further models of it that may be asked for");
  set.add("language.remote.context_tokens", context_tokens,
          "tokens that its model reads; 0: unknown", 0, 100'000'000);
  set.add("language.remote.max_tokens_field", max_tokens_field,
          "its name for the bound on the answer: max_tokens or max_completion_tokens");
  set.add("language.remote.stream_usage", stream_usage,
          "ask for token counts at a stream's end (stream_options.include_usage)");
  constexpr std::int64_t kDay = 86'400'000;
  set.add("language.remote.connect_timeout_ms", connect_timeout_ms, "ms to connect", 1, kDay);
  set.add("language.remote.first_byte_timeout_ms", first_byte_timeout_ms,
          "ms from sending to the answer's first byte", 1, kDay);
  set.add("language.remote.idle_timeout_ms", idle_timeout_ms, "ms between two pieces of the answer",
          1, kDay);
  set.add("language.remote.total_timeout_ms", total_timeout_ms, "ms for the whole answer", 1, kDay);
  set.add("language.remote.retries", retries,
          "further attempts after 429, 5xx or a lost connection", 0, 10);
  set.add("language.remote.backoff_base_ms", backoff_base_ms,
          "ms before the first retry; doubles with each", 0, 60'000);
  set.add("language.remote.backoff_max_ms", backoff_max_ms,
          "most ms before a retry; a longer retry-after is handed on", 0, 600'000);
  set.add("language.remote.breaker_failures", breaker_failures,
          "failures in a row after which it is not asked for a while; 0: never", 0, 1'000);
  set.add("language.remote.breaker_open_seconds", breaker_open_seconds, "how long that while is", 1,
          3'600);
}

/// What the model and its running exchanges have in common; the last of them frees it.
struct RemoteModel::Shared {
  Shared(RemoteOptions given, base::HttpClient& http_client, const base::Clock& used_clock,
         base::Random& used_random)
      : options(std::move(given)),
        http(http_client),
        clock(used_clock),
        random(used_random),
        breaker(options.breaker_failures, std::chrono::seconds{options.breaker_open_seconds},
                clock) {}

  const RemoteOptions options;
  base::HttpClient& http;
  const base::Clock& clock;
  base::Random& random;
  CircuitBreaker breaker;
  std::stop_source closing;  // the model is going
};

/// One request: its attempts, the waits between them, and the answer. After `start` everything
/// happens on the HTTP client's thread, so that nothing here needs a lock.
class RemoteModel::Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<Shared> shared, const GenerateRequest& request,
           GenerateCallbacks callbacks)
      : shared_(std::move(shared)),
        callbacks_(std::move(callbacks)),
        caller_(request.stop_token),
        body_(base::dump_json(remote_body(shared_->options, request))) {}

  /// The client drops what it has not begun when it closes: the promise of one `on_done` holds
  /// there too.
  ~Exchange() { finish_cancelled(); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void start() {
    if (is_cancelled()) return finish_cancelled();
    if (const auto wait = shared_->breaker.refusal()) return finish(unavailable(*wait));
    in_attempt_ = owes_report_ = true;
    // Before the first attempt: from then on the stop callbacks belong to the client's thread.
    on_caller_stop_.emplace(caller_, OnStop{weak_from_this()});
    on_closing_.emplace(shared_->closing.get_token(), OnStop{weak_from_this()});
    send();
  }

 private:
  struct OnStop {
    std::weak_ptr<Exchange> exchange;
    void operator()() const {
      if (const auto self = exchange.lock()) self->stop();
    }
  };

  /// From any thread. Breaks off the transfer, or wakes a wait for the next attempt.
  void stop() {
    transfer_.request_stop();
    shared_->http.after(milliseconds{0}, [self = shared_from_this()] {
      if (!self->in_attempt_) self->finish_cancelled();
    });
  }

  bool is_cancelled() const {
    return caller_.stop_requested() || shared_->closing.stop_requested();
  }

  void send() {
    head_ = {};
    received_.clear();
    reader_ = SseReader();
    const RemoteOptions& options = shared_->options;
    base::OutgoingRequest request;
    request.url = options.base_url + "/chat/completions";
    request.headers = {{"content-type", "application/json"},
                       {"accept", "text/event-stream, application/json"}};
    if (!options.api_key.empty()) {
      request.headers.emplace_back("authorization", "Bearer " + options.api_key);
    }
    request.body = body_;
    request.connect_timeout = milliseconds{options.connect_timeout_ms};
    request.first_byte_timeout = milliseconds{options.first_byte_timeout_ms};
    request.idle_timeout = milliseconds{options.idle_timeout_ms};
    request.total_timeout = milliseconds{options.total_timeout_ms};
    request.max_response_bytes = kMaxAnswerBytes;
    request.stop_token = transfer_.get_token();
    shared_->http.start(
        std::move(request),
        {.on_head =
             [self = shared_from_this()](const base::IncomingHead& head) { self->head_ = head; },
         .on_body = [self = shared_from_this()](std::string_view bytes) { self->receive(bytes); },
         .on_done = [self = shared_from_this()](
                        Result<void> done) { self->end_attempt(std::move(done)); }});
  }

  void receive(std::string_view bytes) {
    if (finished_ || failure_) return;
    if (!is_success(head_.status)) {
      received_.append(
          bytes.substr(0, kMaxErrorBytes - std::min(received_.size(), kMaxErrorBytes)));
      return;
    }
    answering_ = true;
    // One answer begins with a brace, a stream never does; content types are often wrong.
    if (kind_ == Kind::kUnknown) {
      const std::size_t first = bytes.find_first_not_of(" \t\r\n");
      if (first == std::string_view::npos) return;
      kind_ = bytes[first] == '{' ? Kind::kWhole : Kind::kStream;
    }
    if (kind_ == Kind::kWhole) {
      received_.append(bytes);
      return;
    }
    if (auto read = reader_.feed(bytes, [this](const SseEvent& event) { take_event(event); });
        !read) {
      break_off({ErrorCode::kUpstream, std::move(read).error().message});
    }
  }

  void take_event(const SseEvent& event) {
    if (finished_ || failure_) return;
    if (event.data == "[DONE]") {
      done_ = true;
      // Told now: the connection's end may take another round trip.
      if (answer_.has_finish_reason()) finish_answered();
      return;
    }
    auto chunk = base::parse_json(event.data, "the upstream's stream");
    if (!chunk) return break_off({ErrorCode::kUpstream, std::move(chunk).error().message});
    if (auto added = answer_.add_chunk(*chunk, callbacks_.on_delta); !added) {
      return break_off(std::move(added).error());
    }
    // Said early, so that a long answer does not hold up those who wait behind a probe.
    report_success();
  }

  /// The rest of this answer is not worth reading.
  void break_off(Error error) {
    failure_ = std::move(error);
    transfer_.request_stop();
  }

  void end_attempt(Result<void> transferred) {
    in_attempt_ = false;
    if (finished_) return;
    if (failure_) return finish_failed(*failure_);
    if (is_cancelled()) return finish_cancelled();
    if (!transferred) return end_broken(std::move(transferred).error());
    if (!is_success(head_.status)) return end_refused();
    if (kind_ == Kind::kWhole) return end_whole();
    if (auto rest = reader_.finish([this](const SseEvent& event) { take_event(event); }); !rest) {
      return finish_failed({ErrorCode::kUpstream, std::move(rest).error().message});
    }
    if (finished_) return;
    if (failure_) return finish_failed(*failure_);
    if (done_ || answer_.has_finish_reason()) return finish_answered();
    finish_failed({ErrorCode::kUpstream,
                   answering_ ? "the upstream's answer broke off before it said why it stopped"
                              : "the upstream answered with nothing"});
  }

  void end_broken(Error error) {
    // All but the closing words came.
    if (answer_.has_finish_reason()) return finish_answered();
    if (error.code == ErrorCode::kCancelled) return finish_cancelled();  // the client is closing
    if (error.code == ErrorCode::kUpstream && !answering_) return try_again(std::move(error));
    // The client refused to send: that is our operator's URL, not the caller's request.
    if (error.code == ErrorCode::kInvalidArgument) {
      error = {ErrorCode::kUpstream, "language.remote.base_url: " + error.message};
    }
    finish_failed(std::move(error));
  }

  void end_refused() {
    Error error = upstream_error(head_, received_, shared_->clock.now());
    if (is_worth_retrying(head_, error)) return try_again(std::move(error));
    // It works; it is the request or the key that it does not like.
    report_success();
    finish(std::move(error));
  }

  void end_whole() {
    auto answer =
        base::parse_json(received_, "the upstream's answer", {.max_bytes = kMaxAnswerBytes});
    if (!answer) return finish_failed({ErrorCode::kUpstream, std::move(answer).error().message});
    if (auto added = answer_.add_whole(*answer, callbacks_.on_delta); !added) {
      return finish_failed(std::move(added).error());
    }
    finish_answered();
  }

  /// After a failure that another attempt may mend.
  void try_again(Error error) {
    report_failure(error);
    const RemoteOptions& options = shared_->options;
    const milliseconds most{options.backoff_max_ms};
    if (attempt_ >= options.retries || error.retry_after.value_or(std::chrono::seconds{0}) > most) {
      return finish(std::move(error));
    }
    // Half of the wait is random, so that callers who failed together do not come back together.
    const double full = std::min(static_cast<double>(options.backoff_max_ms),
                                 static_cast<double>(options.backoff_base_ms << attempt_));
    const milliseconds jittered{
        static_cast<std::int64_t>(full * (0.5 + 0.5 * shared_->random.uniform()))};
    const milliseconds wait =
        std::max(jittered, milliseconds(error.retry_after.value_or(std::chrono::seconds{0})));
    ++attempt_;
    base::log_debug("remote model: trying again", {{"attempt", attempt_},
                                                   {"wait_ms", wait.count()},
                                                   {"reason", std::string(name(error.code))}});
    shared_->http.after(wait, [self = shared_from_this(), error = std::move(error)]() mutable {
      if (self->finished_) return;
      if (self->is_cancelled()) return self->finish_cancelled();
      // Others' failures may have opened it meanwhile; what we know of is the better answer.
      if (self->shared_->breaker.refusal()) return self->finish(std::move(error));
      self->in_attempt_ = self->owes_report_ = true;
      self->send();
    });
  }

  /// The breaker hears of each attempt once.
  void report_success() {
    if (std::exchange(owes_report_, false)) shared_->breaker.succeeded();
  }

  void report_abandoned() {
    if (std::exchange(owes_report_, false)) shared_->breaker.abandoned();
  }

  void report_failure(const Error& error) {
    // A limited rate is a sign of life: it neither opens nor closes the breaker.
    if (error.code == ErrorCode::kRateLimited) return report_abandoned();
    if (std::exchange(owes_report_, false) && shared_->breaker.failed()) {
      base::log_warning("remote model: keeps failing, not asked for a while",
                        {{"seconds", shared_->options.breaker_open_seconds},
                         {"last", std::string(name(error.code))}});
    }
  }

  Error unavailable(std::chrono::seconds wait) const {
    Error error{ErrorCode::kUnavailable,
                fmt::format("the upstream failed {} times in a row and is not asked now: try again "
                            "in {} s",
                            shared_->options.breaker_failures, wait.count())};
    error.retry_after = wait;
    return error;
  }

  void finish_failed(Error error) {
    report_failure(error);
    finish(std::move(error));
  }

  void finish_answered() {
    report_success();
    finish(answer_.completion());
  }

  void finish_cancelled() {
    if (finished_) return;
    report_abandoned();
    Completion partial = answer_.completion();
    partial.finish_reason = FinishReason::kCancelled;
    finish(std::move(partial));
  }

  void finish(Error error) { finish(Result<Completion>(fail(std::move(error)))); }

  void finish(Result<Completion> result) {
    if (std::exchange(finished_, true)) return;
    on_caller_stop_.reset();
    on_closing_.reset();
    callbacks_.on_done(std::move(result));
  }

  enum class Kind { kUnknown, kStream, kWhole };

  const std::shared_ptr<Shared> shared_;
  const GenerateCallbacks callbacks_;
  const std::stop_token caller_;
  const std::string body_;

  std::int64_t attempt_ = 0;
  bool in_attempt_ = false;   // a transfer runs; between two, a wait
  bool owes_report_ = false;  // to the breaker
  std::stop_source transfer_;
  base::IncomingHead head_;
  std::string received_;  // an error's body, or an answer in one piece
  Kind kind_ = Kind::kUnknown;
  bool answering_ = false;  // a byte of an answer came: no more retries
  bool done_ = false;       // the stream said [DONE]
  SseReader reader_;
  RemoteAnswer answer_;
  std::optional<Error> failure_;  // why we broke off ourselves
  bool finished_ = false;
  std::optional<std::stop_callback<OnStop>> on_caller_stop_;
  std::optional<std::stop_callback<OnStop>> on_closing_;
};

Result<std::unique_ptr<RemoteModel>> RemoteModel::create(RemoteOptions options,
                                                         base::HttpClient& http,
                                                         const base::Clock& clock,
                                                         base::Random& random) {
  const auto refuse = [](std::string option, std::string_view fault) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} {}", option, fault), option);
  };
  while (options.base_url.ends_with('/')) options.base_url.pop_back();
  if (!options.base_url.starts_with("http://") && !options.base_url.starts_with("https://")) {
    return refuse("language.remote.base_url",
                  "must be a URL up to the version, such as http://127.0.0.1:11434/v1");
  }
  if (options.model.empty()) {
    return refuse("language.remote.model", "must name a model of the upstream");
  }
  if (!is_header_value(options.api_key)) {
    return refuse("language.remote.api_key", "has a character that no key has (a line break?)");
  }
  if (options.max_tokens_field != "max_tokens" &&
      options.max_tokens_field != "max_completion_tokens") {
    return refuse("language.remote.max_tokens_field",
                  "must be max_tokens or max_completion_tokens");
  }
  std::erase(options.models, options.model);
  return std::unique_ptr<RemoteModel>(
      new RemoteModel(std::make_shared<Shared>(std::move(options), http, clock, random)));
}

RemoteModel::RemoteModel(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

RemoteModel::~RemoteModel() {
  shared_->closing.request_stop();
}

Result<void> RemoteModel::do_check(const GenerateRequest& request) const {
  const RemoteOptions& options = shared_->options;
  if (is_default(request.model) || request.model == options.model ||
      std::ranges::find(options.models, request.model) != options.models.end()) {
    return {};
  }
  return fail(ErrorCode::kNotFound,
              fmt::format("there is no model \"{}\": GET /v1/models lists them; the operator adds "
                          "one to language.remote.models",
                          request.model),
              "model", "model_not_found");
}

void RemoteModel::do_generate(GenerateRequest request, GenerateCallbacks callbacks) {
  std::make_shared<Exchange>(shared_, request, std::move(callbacks))->start();
}

Result<std::int64_t> RemoteModel::do_count_tokens(const std::vector<ChatMessage>& messages,
                                                  const Json& tools) const {
  std::size_t bytes = tools.is_null() ? 0 : base::dump_json(tools).size();
  for (const ChatMessage& message : messages) {
    const auto content = message.json.find("content");
    // What is no text (images, tool calls) counts by its JSON.
    bytes += content != message.json.end() && content->is_string()
                 ? content->get_ref<const std::string&>().size()
                 : base::dump_json(message.json).size();
  }
  return static_cast<std::int64_t>(bytes) / kBytesPerToken +
         static_cast<std::int64_t>(messages.size()) * kTokensPerMessage;
}

std::vector<ModelInfo> RemoteModel::do_models() const {
  const RemoteOptions& options = shared_->options;
  std::vector<ModelInfo> models;
  models.push_back(
      {.id = options.model, .backend = "remote", .context_tokens = options.context_tokens});
  for (const std::string& model : options.models) {
    models.push_back({.id = model, .backend = "remote"});
  }
  return models;
}

}  // namespace rapport::language
