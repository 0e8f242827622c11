// A chat request becomes a personal answer: the first of the two main flows.
//
//   responder.respond(request, {.on_delta = …, .on_done = [](Result<Answer> answer) { … }},
//   stop_token);
//
// respond.cpp is the list of steps; each step is one file beside it and adds to the trace. The
// trace is the explanation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rapport/base/config.h"
#include "rapport/base/thread_pool.h"
#include "rapport/engine/trace.h"
#include "rapport/language/language_model.h"
#include "rapport/profile/settings.h"
#include "rapport/store/key_ring.h"
#include "rapport/store/store.h"

namespace rapport::engine {

class Recommender;

struct EngineOptions {
  std::int64_t default_degree = 3;    // 0..3, of users who set none
  std::int64_t max_choices = 8;       // upper bound of `n`
  std::int64_t reserve_tokens = 256;  // kept free for the answer when a request names no max_tokens
  std::int64_t context_tokens =
      0;  // of a remote model whose context we cannot know; 0: never trim for it
  std::int64_t personal_tokens = 512;  // at most this much of the prompt is settings and facts
  std::int64_t workers = 4;            // threads of steps 1–5 and 8
  std::int64_t max_queued = 1024;      // requests that wait for one; beyond it kUnavailable

  void describe(base::OptionSet& set);
};

/// What the surroundings of a request say of who asks, strongest first (gateway: who is asking).
struct Caller {
  std::string app = "default";
  std::string key_user;           // the key is bound to this user: nothing below can change it
  std::string header_user;        // X-Rapport-User
  std::string body_user;          // body `user`
  std::string metadata_user;      // metadata.user_id
  std::string safety_identifier;  // body `safety_identifier`
};

struct ChatRequest {
  Caller caller;
  std::string
      conversation;  // X-Rapport-Conversation, else metadata.conversation_id; "" when not named
  std::string previous_response_id;  // "" when not named
  std::string domain;                // X-Rapport-Domain, else metadata.domain
  std::optional<profile::Degree>
      degree;  // X-Rapport-Degree: may lower the user's own for this request, never raise it
  std::int64_t n = 1;
  language::GenerateRequest generate;
};

struct Answer {
  std::string id;            // "chatcmpl-…"; its explanation is at /v1/responses/{id}/explanation
  std::string conversation;  // "" when nothing was kept
  base::UnixMillis created = 0;
  std::string model;
  std::vector<language::Completion> choices;
  language::Usage usage;  // prompt counted once, completions summed
  profile::Degree degree = profile::Degree::kGeneric;
};

/// Called on a model's or worker's thread; must not block. `on_start` once, when the request was
/// accepted and its prompt composed; deltas of a choice in order; `on_done` exactly once, last,
/// after the turn is durable.
struct AnswerSink {
  std::function<void(const std::string& id, const std::string& conversation,
                     const std::string& model)>
      on_start;
  std::function<void(std::int64_t choice, const language::Delta&)> on_delta;
  std::function<void(Result<Answer>)> on_done;
};

/// Thread-safe. Outlives its requests: the destructor waits for them.
class Responder {
 public:
  /// With a `recommender`, requests for a recommendation are answered from its catalogue
  /// (chat_recommendation.h).
  Responder(EngineOptions options, store::Store& store, const store::KeyRing& keys,
            language::LanguageModel& model, const base::Clock& clock, base::Random& random,
            Recommender* recommender = nullptr);
  ~Responder();
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  /// Returns at once. A request that was never accepted ends with an error in `on_done` and leaves
  /// no trace.
  void respond(ChatRequest request, AnswerSink sink, std::stop_token stop_token = {});

  /// Refuses new requests and waits until the running ones are recorded.
  void shutdown();

 private:
  struct Flow;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// `respond` and wait; for commands and tests.
Result<Answer> respond_and_wait(
    Responder& responder, ChatRequest request,
    std::function<void(std::int64_t, const language::Delta&)> on_delta = {},
    std::stop_token stop_token = {});

}  // namespace rapport::engine
