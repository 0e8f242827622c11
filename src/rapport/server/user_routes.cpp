#include "rapport/profile/facts.h"
#include "rapport/server/json_fields.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

using UserHandler = Result<HttpResponse> (*)(const Services&, const HttpRequest&, const UserScope&);

/// Handler of a path that names its user.
Handler of_user(const Services& services, UserHandler handler) {
  return result_handler([&services, handler](const HttpRequest& request) -> Result<HttpResponse> {
    TRY(const UserScope who, user_scope(request, request.path_parameters.at("id")));
    return handler(services, request, who);
  });
}

Json to_json(const store::User& user) {
  return {{"object", "user"},
          {"id", user.name},
          {"pseudonym", user.id},
          {"app", user.app},
          {"created", base::iso8601(user.created)},
          {"last_seen", base::iso8601(user.last_seen)}};
}

Result<HttpResponse> list_users(const Services& services, const HttpRequest& request) {
  TRY(const std::string app, app_of(request));
  TRY(const store::Page page, page_of(request));
  TRY(const auto users, services.store.users(app, page));
  Json data = Json::array();
  for (const store::User& user : users) data.push_back(to_json(user));
  return HttpResponse::json(list_object(std::move(data), page));
}

Result<HttpResponse> get_settings(const Services& services, const HttpRequest&,
                                  const UserScope& who) {
  TRY(const auto settings, services.users.settings(who.app, who.name));
  return HttpResponse::json(profile::to_json(settings));
}

Result<HttpResponse> patch_settings(const Services& services, const HttpRequest& request,
                                    const UserScope& who) {
  TRY(const Json patch, parse_body(request.body));
  TRY(const auto settings, services.users.patch_settings(who.app, who.name, patch));
  return HttpResponse::json(profile::to_json(settings));
}

Result<HttpResponse> list_facts(const Services& services, const HttpRequest& request,
                                const UserScope& who) {
  const auto inactive = request.query.find("include_inactive");
  const bool all = inactive != request.query.end() && inactive->second == "true";
  TRY(const auto facts, services.users.facts(who.app, who.name, all));
  Json data = Json::array();
  for (const store::Fact& fact : facts) data.push_back(profile::to_json(fact));
  return HttpResponse::json({{"object", "list"}, {"data", std::move(data)}});
}

Result<HttpResponse> add_fact(const Services& services, const HttpRequest& request,
                              const UserScope& who) {
  TRY(const Json body, parse_body(request.body));
  Fields fields(body);
  TRY(const auto text, fields.string("text"));
  if (!text) return fields.wrong("text", "what is to be known of the user");
  TRY(const auto domain, fields.string("domain", 512));
  TRY_VOID(fields.refuse_rest());
  TRY(const store::Fact fact,
      services.users.add_fact(who.app, who.name, *text, domain.value_or("")));
  return HttpResponse::json(profile::to_json(fact), 201);
}

Result<HttpResponse> patch_fact(const Services& services, const HttpRequest& request,
                                const UserScope& who) {
  TRY(const Json patch, parse_body(request.body));
  TRY(const store::Fact fact,
      services.users.patch_fact(who.app, who.name, request.path_parameters.at("fact"), patch));
  return HttpResponse::json(profile::to_json(fact));
}

Result<HttpResponse> forget_fact(const Services& services, const HttpRequest& request,
                                 const UserScope& who) {
  const std::string& fact = request.path_parameters.at("fact");
  TRY_VOID(services.users.forget_fact(who.app, who.name, fact));
  return HttpResponse::json({{"id", fact}, {"object", "fact"}, {"deleted", true}});
}

Parameter fact_in_path() {
  return id_in_path("fact", "The fact's id, `fact_…`.");
}

void add_settings_routes(Router& router, const Services& services) {
  router.add({.method = "GET",
              .pattern = "/v1/users/{id}/settings",
              .access = Access::kAnyKey,
              .operation = {.id = "getSettings",
                            .tag = "Settings",
                            .summary = "How a user wants to be answered",
                            .description = "Empty for a user who set nothing yet.",
                            .parameters = {user_in_path(), app_header()},
                            .responses = {{200, "The settings", "Settings"}}},
              .handler = of_user(services, get_settings)});
  router.add({.method = "PATCH",
              .pattern = "/v1/users/{id}/settings",
              .access = Access::kAnyKey,
              .operation = {.id = "patchSettings",
                            .tag = "Settings",
                            .summary = "Change some settings",
                            .description = "A JSON merge patch (RFC 7396): null unsets a field. "
                                           "What is wrong is refused as a whole.",
                            .parameters = {user_in_path(), app_header()},
                            .request_schema = "SettingsPatch",
                            .responses = {{200, "The settings as they are now", "Settings"}}},
              .handler = of_user(services, patch_settings)});
}

void add_fact_routes(Router& router, const Services& services) {
  router.add({.method = "GET",
              .pattern = "/v1/users/{id}/facts",
              .access = Access::kAnyKey,
              .operation = {.id = "listFacts",
                            .tag = "Facts",
                            .summary = "What is known of a user, oldest first",
                            .parameters = {user_in_path(),
                                           {ParameterPlace::kQuery,
                                            "include_inactive",
                                            "Also what was superseded, disputed or forgotten.",
                                            false,
                                            {{"type", "boolean"}, {"default", false}}},
                                           app_header()},
                            .responses = {{200, "The facts", "FactList"}}},
              .handler = of_user(services, list_facts)});
  router.add(
      {.method = "POST",
       .pattern = "/v1/users/{id}/facts",
       .access = Access::kAnyKey,
       .operation = {.id = "addFact",
                     .tag = "Facts",
                     .summary = "Tell something of a user",
                     .parameters = {user_in_path(), app_header()},
                     .request_schema = "NewFact",
                     .responses = {{201, "The fact, or the one that said so already", "Fact"}}},
       .handler = of_user(services, add_fact)});
  router.add({.method = "PATCH",
              .pattern = "/v1/users/{id}/facts/{fact}",
              .access = Access::kAnyKey,
              .operation = {.id = "patchFact",
                            .tag = "Facts",
                            .summary = "Correct or dispute a fact",
                            .parameters = {user_in_path(), fact_in_path(), app_header()},
                            .request_schema = "FactPatch",
                            .responses = {{200, "The fact as it is now", "Fact"}}},
              .handler = of_user(services, patch_fact)});
  router.add({.method = "DELETE",
              .pattern = "/v1/users/{id}/facts/{fact}",
              .access = Access::kAnyKey,
              .operation = {.id = "forgetFact",
                            .tag = "Facts",
                            .summary = "Forget a fact",
                            .description = "Its words are overwritten; that there was one stays.",
                            .parameters = {user_in_path(), fact_in_path(), app_header()},
                            .responses = {{200, "Forgotten", "Deleted"}}},
              .handler = of_user(services, forget_fact)});
}

}  // namespace

void add_user_routes(Router& router, const Services& services) {
  router.add({.method = "GET",
              .pattern = "/v1/users",
              .access = Access::kApp,
              .operation = {.id = "listUsers",
                            .tag = "Users",
                            .summary = "The users of an application, last seen first",
                            .parameters = {limit_parameter(), offset_parameter(), app_header()},
                            .responses = {{200, "The users", "UserList"}}},
              .handler = result_handler([&services](const HttpRequest& request) {
                return list_users(services, request);
              })});
  add_settings_routes(router, services);
  add_fact_routes(router, services);
}

}  // namespace rapport::server
