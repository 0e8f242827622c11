#include <fmt/format.h>

#include "rapport/server/json_fields.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

constexpr std::size_t kMaxEvents = 1'000;
constexpr std::size_t kMaxId = 512;                     // bytes
constexpr std::int64_t kMaxTime = 253'402'300'799'999;  // the end of the year 9999

Json interaction_json(const store::Interaction& each, const engine::ServedCatalogue* served) {
  std::string title;
  if (served != nullptr) {
    if (const auto item = served->catalogue().find(each.item))
      title = served->catalogue().title(*item);
  }
  return {{"id", each.id},
          {"object", "interaction"},
          {"kind", store::name(each.kind)},
          {"item", each.item},
          {"title", title.empty() ? Json() : Json(title)},
          {"value", each.value ? Json(*each.value) : Json()},
          {"response_id", each.response_id.empty() ? Json() : Json(each.response_id)},
          {"created", base::iso8601(each.created)}};
}

Result<engine::NewInteraction> read_event(const HttpRequest& request, const Json& json,
                                          const std::string& path, const std::string& all_by) {
  if (!json.is_object())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is {}: expected an object", path, type_name(json)), path);
  Fields fields(json, path);
  engine::NewInteraction event;
  TRY(const auto user, fields.string("user"));
  TRY(const auto kind, fields.string("kind"));
  TRY(const auto item, fields.string("item", kMaxId));
  TRY(event.value, fields.number("value", 0, 5));
  TRY(const auto response_id, fields.string("response_id", kMaxId));
  TRY(const auto time, fields.integer("time", 0, kMaxTime));
  TRY_VOID(fields.refuse_rest());
  const auto known = store::parse_interaction_kind(kind.value_or(""));
  if (!known) return fields.wrong("kind", "view, click, like, hide, rating or purchase");
  if (!item || item->empty()) return fields.wrong("item", "the catalogue's id of an item");
  auto who = user_scope(request, user ? *user : all_by);
  if (!who) {
    Error error = std::move(who).error();
    error.param = fields.path_of("user");
    return fail(std::move(error));
  }
  event.user = who->name;
  event.kind = *known;
  event.item = *item;
  event.response_id = response_id.value_or("");
  event.created = time.value_or(0);
  return event;
}

Result<HttpResponse> add_events(const Services& services, const HttpRequest& request) {
  TRY(const Json body, parse_body(request.body));
  Fields fields(body);
  TRY(const auto user, fields.string("user"));
  TRY(const Json* events, fields.array("events"));
  TRY_VOID(fields.refuse_rest());
  if (events == nullptr || events->empty() || events->size() > kMaxEvents)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("events must be an array of 1 to {} events", kMaxEvents), "events");
  const std::string header_user(request.header("x-rapport-user"));
  const std::string all_by = header_user.empty() ? user.value_or("") : header_user;
  std::vector<engine::NewInteraction> batch;
  for (std::size_t i = 0; i < events->size(); ++i) {
    TRY(engine::NewInteraction event,
        read_event(request, (*events)[i], fmt::format("events[{}]", i), all_by));
    batch.push_back(std::move(event));
  }
  TRY(const std::string app, app_of(request));
  TRY(const engine::AddedInteractions added, services.interactions.add(app, batch));
  const auto served = services.catalogues.get();
  Json kept = Json::array(), not_kept = Json::array();
  for (const store::Interaction& each : added.kept)
    kept.push_back(interaction_json(each, served.get()));
  for (const engine::NotKept& each : added.not_kept)
    not_kept.push_back({{"index", each.index}, {"why", each.why}});
  return HttpResponse::json(
      {{"object", "event_batch"}, {"kept", std::move(kept)}, {"not_kept", std::move(not_kept)}},
      201);
}

Result<HttpResponse> list_history(const Services& services, const HttpRequest& request) {
  TRY(const UserScope who, user_scope(request, request.path_parameters.at("id")));
  TRY(const store::Page page, page_of(request));
  TRY(const auto history, services.interactions.history(who.app, who.name, page));
  const auto served = services.catalogues.get();
  Json data = Json::array();
  for (const store::Interaction& each : history)
    data.push_back(interaction_json(each, served.get()));
  return HttpResponse::json(list_object(std::move(data), page));
}

Result<HttpResponse> forget(const Services& services, const HttpRequest& request) {
  TRY(const UserScope who, user_scope(request, request.path_parameters.at("id")));
  const std::string& entry = request.path_parameters.at("entry");
  TRY_VOID(services.interactions.forget(who.app, who.name, entry));
  return HttpResponse::json({{"id", entry}, {"object", "interaction"}, {"deleted", true}});
}

}  // namespace

void add_history_routes(Router& router, const Services& services) {
  const auto handler = [&services](auto function) {
    return result_handler(
        [&services, function](const HttpRequest& request) { return function(services, request); });
  };
  router.add(
      {.method = "POST",
       .pattern = "/v1/events",
       .access = Access::kAnyKey,
       .operation = {.id = "addEvents",
                     .tag = "Recommendations",
                     .summary = "What users did with items, in a batch",
                     .description =
                         "All of the batch is taken or, when one event is wrong, nothing. What a "
                         "user's degree does not permit to keep is told and dropped, and so is a "
                         "response_id that is no list of this user's with this item. The next "
                         "recommendation reads it.",
                     .parameters = {{ParameterPlace::kHeader, "x-rapport-user",
                                     "The user of all events that name none; otherwise `user`."},
                                    app_header()},
                     .request_schema = "NewEvents",
                     .responses = {{201, "What was kept", "EventBatch"}}},
       .handler = handler(add_events)});
  router.add({.method = "GET",
              .pattern = "/v1/users/{id}/history",
              .access = Access::kAnyKey,
              .operation = {.id = "listHistory",
                            .tag = "Recommendations",
                            .summary = "What a user did with items, newest first",
                            .parameters = {user_in_path(), limit_parameter(), offset_parameter(),
                                           app_header()},
                            .responses = {{200, "The interactions", "InteractionList"}}},
              .handler = handler(list_history)});
  router.add({.method = "DELETE",
              .pattern = "/v1/users/{id}/history/{entry}",
              .access = Access::kAnyKey,
              .operation = {.id = "forgetInteraction",
                            .tag = "Recommendations",
                            .summary = "Forget an interaction; of a hide: show the item again",
                            .parameters = {user_in_path(),
                                           id_in_path("entry", "The interaction's id, `act_…`."),
                                           app_header()},
                            .responses = {{200, "Forgotten", "Deleted"}}},
              .handler = handler(forget)});
}

}  // namespace rapport::server
