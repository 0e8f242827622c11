#include "rapport/server/json_fields.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

tl::unexpected<Error> no_response(const std::string& id) {
  return fail(ErrorCode::kNotFound, "there is no response " + id +
                                        " that this key may see: use the id of a chat completion, "
                                        "chatcmpl-…, or of a recommendation, rec_…");
}

/// The trace of a response, if the key may see whose it is. A foreign one is not found rather than
/// forbidden: whether an id exists is nobody else's business.
Result<store::TraceRecord> visible_trace(const Services& services, const HttpRequest& request,
                                         const std::string& id) {
  TRY(const std::string app, app_of(request));
  auto trace = services.store.trace(id);
  if (!trace)
    return trace.error().code == ErrorCode::kNotFound ? no_response(id)
                                                      : fail(std::move(trace).error());
  const Principal& principal = request.principal;
  if (!principal.bound_user.empty()) {
    TRY(const store::UserId own, services.users.id(app, principal.bound_user));
    return trace->user == own ? std::move(trace) : no_response(id);
  }
  // An anonymous answer has no text of anybody in its trace, and its id cannot be guessed.
  if (trace->user.empty() || principal.role == store::KeyRole::kAdmin) return trace;
  const auto user = services.store.user(trace->user);
  // Who was only ever answered at degree 0 is not kept: nor is there a text of theirs in it.
  if (!user && user.error().code == ErrorCode::kNotFound) return trace;
  if (!user) return fail(user.error());
  return user->app == app ? std::move(trace) : no_response(id);
}

Result<HttpResponse> explain(const Services& services, const HttpRequest& request) {
  TRY(store::TraceRecord trace, visible_trace(services, request, request.path_parameters.at("id")));
  return HttpResponse::json(trace.data);
}

/// Who rates: named in the request, or else whose response it is.
Result<UserScope> rater(const Services& services, const HttpRequest& request,
                        const std::string& named, const std::string& response_id) {
  if (!named.empty() || !request.principal.bound_user.empty()) return user_scope(request, named);
  TRY(const store::TraceRecord trace, visible_trace(services, request, response_id));
  const Result<store::User> user = trace.user.empty()
                                       ? Result<store::User>(fail(ErrorCode::kNotFound, ""))
                                       : services.store.user(trace.user);
  if (!user && user.error().code == ErrorCode::kNotFound)
    return fail(ErrorCode::kInvalidArgument,
                "the response was given to nobody we keep: feedback is kept for users only",
                "response_id");
  if (!user) return fail(user.error());
  return UserScope{user->app, user->name};
}

/// Feedback on one item of a recommendation.
Result<HttpResponse> react(const Services& services, Fields& fields, const UserScope& who,
                           const std::string& response_id) {
  engine::NewInteraction reaction{.user = who.name, .response_id = response_id};
  TRY(const auto item, fields.string("item", 512));
  TRY(reaction.value, fields.number("rating", 0, 5));
  TRY(const auto word, fields.string("reaction"));
  TRY_VOID(fields.refuse_rest());
  reaction.item = *item;
  if (word ? reaction.value.has_value() || (*word != "like" && *word != "hide") : !reaction.value)
    return fail(ErrorCode::kInvalidArgument,
                "feedback on an item has either reaction, \"like\" or \"hide\", or rating, 0 to 5",
                "reaction");
  if (word) {
    TRY(reaction.kind, store::parse_interaction_kind(*word));
  } else {
    reaction.kind = store::InteractionKind::kRating;
  }
  TRY(const store::Interaction kept, services.interactions.react(who.app, reaction));
  Json data = {{"item", kept.item}};
  if (kept.value) data["rating"] = *kept.value;
  return HttpResponse::json({{"id", kept.id},
                             {"object", "feedback"},
                             {"kind", store::name(kept.kind)},
                             {"response_id", kept.response_id},
                             {"data", std::move(data)},
                             {"created", base::iso8601(kept.created)}},
                            201);
}

Result<HttpResponse> add_feedback(const Services& services, const HttpRequest& request) {
  TRY(Json body, parse_body(request.body));
  Fields fields(body);
  TRY(const auto response_id, fields.string("response_id"));
  if (!response_id) return fields.wrong("response_id", "the id of the answer, chatcmpl-…");
  TRY(const auto body_user, fields.string("user", 512));
  const std::string header_user(request.header("x-rapport-user"));
  TRY(const UserScope who,
      rater(services, request, header_user.empty() ? body_user.value_or("") : header_user,
            *response_id));
  if (fields.any("item") != nullptr) return react(services, fields, who, *response_id);
  body.erase("user");
  TRY(const store::Event event, services.users.add_feedback(who.app, who.name, body));
  return HttpResponse::json({{"id", event.id},
                             {"object", "feedback"},
                             {"kind", event.kind},
                             {"response_id", event.response_id},
                             {"data", event.data},
                             {"created", base::iso8601(event.created)}},
                            201);
}

}  // namespace

void add_response_routes(Router& router, const Services& services) {
  router.add({.method = "GET",
              .pattern = "/v1/responses/{id}/explanation",
              .access = Access::kAnyKey,
              .operation = {.id = "explainResponse",
                            .tag = "Responses",
                            .summary = "Why an answer is as it is",
                            .description = "What was used of the user and why, what was left out "
                                           "and why, and the prompt that was sent.",
                            .parameters = {id_in_path("id",
                                                      "The id of an answer, `chatcmpl-…`, or of a "
                                                      "recommendation, `rec_…`."),
                                           app_header()},
                            .responses = {{200, "The explanation", "Explanation"}}},
              .handler = result_handler(
                  [&services](const HttpRequest& request) { return explain(services, request); })});
  router.add({.method = "POST",
              .pattern = "/v1/feedback",
              .access = Access::kAnyKey,
              .operation = {.id = "addFeedback",
                            .tag = "Responses",
                            .summary = "Say how good an answer was, or an item of a recommendation",
                            .parameters = {{ParameterPlace::kHeader, "x-rapport-user",
                                            "The user who rates; otherwise `user`, otherwise whose "
                                            "answer it was."},
                                           app_header()},
                            .request_schema = "NewFeedback",
                            .responses = {{201, "The feedback as it was recorded", "Feedback"}}},
              .handler = result_handler([&services](const HttpRequest& request) {
                return add_feedback(services, request);
              })});
}

}  // namespace rapport::server
