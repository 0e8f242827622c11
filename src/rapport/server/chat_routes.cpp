#include <mutex>

#include "rapport/server/json_fields.h"
#include "rapport/server/openai_chat.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

Result<ChatCall> read_call(const HttpRequest& request) {
  TRY(Json body, parse_body(request.body));
  TRY(ChatCall call, parse_chat_call(std::move(body), request.headers));
  TRY(call.request.caller.app, app_of(request));
  call.request.caller.key_user = request.principal.bound_user;
  // The models know their default as "".
  if (call.request.generate.model == "default") call.request.generate.model.clear();
  return call;
}

void add_conversation(HttpResponse& response, const std::string& conversation) {
  if (!conversation.empty()) response.headers.emplace_back("x-rapport-conversation", conversation);
}

/// An answer on its way to one client, in one piece or as events.
class Answering {
 public:
  Answering(const Services& services, std::shared_ptr<Metrics> metrics, const ChatCall& call,
            std::shared_ptr<Reply> reply)
      : model_(services.model),
        clock_(services.clock),
        metrics_(std::move(metrics)),
        logprobs_(call.request.generate.logprobs),
        include_usage_(call.include_usage),
        reply_(std::move(reply)),
        began_(services.clock.steady()) {}

  void start(const std::string& id, const std::string& conversation, const std::string& model) {
    HttpResponse head = HttpResponse::text({}, "text/event-stream");
    head.headers.emplace_back("cache-control", "no-cache");
    // Or nginx would hold the stream back until its buffer is full.
    head.headers.emplace_back("x-accel-buffering", "no");
    add_conversation(head, conversation);
    std::string shown = model;
    if (shown.empty()) {
      const auto models = model_.models();
      if (!models.empty()) shown = models.front().id;
    }
    const std::lock_guard lock(mutex_);
    stream_.emplace(id, shown, clock_.now() / 1000, logprobs_, include_usage_);
    reply_->begin_stream(std::move(head));
  }

  void say(std::int64_t choice, const language::Delta& delta) {
    const std::lock_guard lock(mutex_);
    if (!said_) metrics_->observe_first_token(seconds());
    said_ = true;
    // A reader who is gone or too slow has its generation stopped by the session.
    if (std::string events = stream_->delta(choice, delta); !events.empty())
      reply_->write(std::move(events));
  }

  void finish_stream(const Result<engine::Answer>& answer) {
    const std::lock_guard lock(mutex_);
    if (answer) {
      metrics_->add_tokens(answer->usage);
      reply_->write(stream_->done(*answer));
    } else if (reply_->send(HttpResponse::error(answer.error()))) {
      return;  // nothing had left yet: an error like any other
    } else {
      reply_->write(ChatStream::error(answer.error()));
    }
    reply_->end();
  }

  void finish_whole(const Result<engine::Answer>& answer) {
    if (!answer) {
      reply_->send(HttpResponse::error(answer.error()));
      return;
    }
    metrics_->add_tokens(answer->usage);
    HttpResponse response = HttpResponse::json(chat_completion(*answer, logprobs_));
    add_conversation(response, answer->conversation);
    response.headers.emplace_back("x-rapport-degree",
                                  std::to_string(static_cast<int>(answer->degree)));
    reply_->send(std::move(response));
  }

 private:
  double seconds() const { return std::chrono::duration<double>(clock_.steady() - began_).count(); }

  // Not the Services: an answer may end after its server is gone.
  const language::LanguageModel& model_;
  const base::Clock& clock_;
  const std::shared_ptr<Metrics> metrics_;
  const bool logprobs_;
  const bool include_usage_;
  std::shared_ptr<Reply> reply_;
  const std::chrono::steady_clock::time_point began_;
  std::mutex mutex_;  // the choices of one answer may come on several threads
  std::optional<ChatStream> stream_;
  bool said_ = false;
};

void chat(const Services& services, const std::shared_ptr<Metrics>& metrics, HttpRequest request,
          std::shared_ptr<Reply> reply) {
  Result<ChatCall> call = read_call(request);
  if (!call) {
    reply->send(HttpResponse::error(call.error()));
    return;
  }
  auto answering = std::make_shared<Answering>(services, metrics, *call, std::move(reply));
  engine::AnswerSink sink;
  if (call->stream) {
    sink.on_start = [answering](const std::string& id, const std::string& conversation,
                                const std::string& model) {
      answering->start(id, conversation, model);
    };
    sink.on_delta = [answering](std::int64_t choice, const language::Delta& delta) {
      answering->say(choice, delta);
    };
    sink.on_done = [answering](Result<engine::Answer> answer) { answering->finish_stream(answer); };
  } else {
    sink.on_done = [answering](Result<engine::Answer> answer) { answering->finish_whole(answer); };
  }
  services.responder.respond(std::move(call->request), std::move(sink), request.gone);
}

Operation chat_operation() {
  const auto header = [](std::string name, std::string description) {
    return Parameter{ParameterPlace::kHeader, std::move(name), std::move(description)};
  };
  return {
      .id = "createChatCompletion",
      .tag = "Chat",
      .summary = "Answer a conversation, personally when a user is named",
      .description =
          "OpenAI's chat completions. The user is named by the key, x-rapport-user, `user`, "
          "`metadata.user_id` or `safety_identifier`, the first of these that is there. Parameters "
          "that are not listed go to a remote model as they are; the embedded model refuses those "
          "it cannot honour.",
      .parameters =
          {header("x-rapport-user", "The application's own name of the user."),
           header("x-rapport-conversation",
                  "The conversation this belongs to: the application's own name of it, or the id "
                  "that an answer gave. Otherwise it is found by its messages."),
           header("x-rapport-domain", "The domain of the request, such as cooking."),
           {ParameterPlace::kHeader,
            "x-rapport-degree",
            "Lowers how far personalisation goes for this request: 0 generic, 1 settings, 2 "
            "profile, 3 memory.",
            false,
            {{"type", "integer"}, {"minimum", 0}, {"maximum", 3}}},
           app_header()},
      .request_schema = "ChatCompletionRequest",
      .responses = {{200, "The answer", "ChatCompletion"},
                    {200,
                     "With `stream`: one ChatCompletionChunk an event, then `data: [DONE]`. An "
                     "error on the way is an event with `error`.",
                     "ChatCompletionChunk", "text/event-stream"}}};
}

}  // namespace

void add_chat_routes(Router& router, const Services& services, std::shared_ptr<Metrics> metrics) {
  router.add({.method = "POST",
              .pattern = "/v1/chat/completions",
              .access = Access::kAnyKey,
              .operation = chat_operation(),
              .handler = StreamHandler([&services, metrics = std::move(metrics)](
                                           HttpRequest request, std::shared_ptr<Reply> reply) {
                chat(services, metrics, std::move(request), std::move(reply));
              })});
}

}  // namespace rapport::server
