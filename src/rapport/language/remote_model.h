// A language model behind any OpenAI-compatible server: OpenAI, vLLM, llama.cpp's server, Ollama, …
//
//   RemoteOptions options{.base_url = "http://127.0.0.1:11434/v1", .model = "qwen3:8b"};
//   TRY(auto model, RemoteModel::create(options, http, clock, random));
//   model->generate(request, callbacks);
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/config.h"
#include "rapport/base/http_client.h"
#include "rapport/base/random.h"
#include "rapport/language/language_model.h"

namespace rapport::language {

/// Times in milliseconds unless the name says otherwise.
struct RemoteOptions {
  std::string base_url = {};             // up to and with the version: "https://api.openai.com/v1"
  std::string api_key = {};              // sent as a bearer token; "" sends none
  std::string model = {};                // what "" and "default" mean
  std::vector<std::string> models = {};  // further names that applications may ask for
  std::int64_t context_tokens = 0;       // of the model, where the operator knows it; 0: unknown
  /// OpenAI's reasoning models know only "max_completion_tokens"; older servers only "max_tokens".
  std::string max_tokens_field = "max_tokens";
  /// Asks for usage at a stream's end. Off for a server that refuses the field: usage is then 0.
  bool stream_usage = true;

  std::int64_t connect_timeout_ms = 5'000;
  std::int64_t first_byte_timeout_ms = 120'000;  // a long prompt is read before the first token
  std::int64_t idle_timeout_ms = 60'000;         // between two pieces of the answer
  std::int64_t total_timeout_ms = 600'000;

  std::int64_t retries = 2;
  std::int64_t backoff_base_ms = 250;   // doubles with each retry; half of it is random
  std::int64_t backoff_max_ms = 8'000;  // a longer retry-after goes to the caller instead

  std::int64_t breaker_failures = 5;  // in a row, until asking stops; 0: never
  std::int64_t breaker_open_seconds = 30;

  /// Keys language.remote.*.
  void describe(base::OptionSet& set);
};

/// What goes up: the messages verbatim, the known fields, `passthrough` behind them, and `user`
/// when there is an end user's hash; never an identifier of the application's (`user`,
/// `safety_identifier` and `metadata` in `passthrough` stay here). The upstream is always asked to
/// stream, so that deltas and cancelling work; one that answers in one piece works too.
///
/// Retries: on 429, 5xx and broken connections, before the first byte of an answer, with backoff
/// and jitter, waiting as long as `retry-after` says. Errors: kInvalidArgument and kNotFound with
/// the upstream's own message, `param` and code; kUpstream for a refused key, a failing or
/// nonsensical server, and an answer that breaks off; kRateLimited; kTimeout; kUnavailable while
/// the circuit breaker is open. An upstream that gives no usage leaves it 0: nothing is guessed.
class RemoteModel final : public LanguageModel {
 public:
  /// `http`, `clock` and `random` must outlive the model. Errors: kInvalidArgument naming the
  /// option.
  static Result<std::unique_ptr<RemoteModel>> create(RemoteOptions options, base::HttpClient& http,
                                                     const base::Clock& clock,
                                                     base::Random& random);
  /// Cancels what runs; its `on_done` still comes, on the client's thread.
  ~RemoteModel() override;

 private:
  struct Shared;
  class Exchange;
  explicit RemoteModel(std::shared_ptr<Shared> shared);

  Result<void> do_check(const GenerateRequest& request) const override;
  void do_generate(GenerateRequest request, GenerateCallbacks callbacks) override;
  Result<std::int64_t> do_count_tokens(const std::vector<ChatMessage>& messages,
                                       const Json& tools) const override;
  std::vector<ModelInfo> do_models() const override;

  std::shared_ptr<Shared> shared_;
};

}  // namespace rapport::language
