// Every resource adds its routes to the table in one function; server.cpp calls them all.
#pragma once

#include <string>

#include "rapport/server/authentication.h"
#include "rapport/server/metrics.h"
#include "rapport/server/router.h"
#include "rapport/server/server.h"

namespace rapport::server {

void add_chat_routes(Router& router, const Services& services, std::shared_ptr<Metrics> metrics);
void add_model_routes(Router& router, const Services& services);
void add_embedding_routes(Router& router, const Services& services);
void add_user_routes(Router& router, const Services& services);  // users, settings, facts
void add_conversation_routes(Router& router, const Services& services);
void add_response_routes(Router& router, const Services& services);  // explanation, feedback
void add_recommendation_routes(Router& router, const Services& services);
void add_catalogue_routes(Router& router, const Services& services);
void add_history_routes(Router& router, const Services& services);  // events on items
/// Erasure, export, import.
void add_personal_data_routes(Router& router, const Services& services,
                              Authentication& authentication);
void add_operator_routes(Router& router, const Services& services,
                         Authentication& authentication);  // jobs, keys
/// Health, metrics, the page, and the specification of all routes that are in the table by then.
void add_status_routes(Router& router, const Services& services, const Metrics& metrics);

// What the handlers share.

/// The application a request is about: the key's own, or for an admin the one that the header
/// x-rapport-app names. Errors: kPermissionDenied.
Result<std::string> app_of(const HttpRequest& request);

struct UserScope {
  std::string app;
  std::string name;  // the application's name of the user
};
/// The user a request is about: `named`, or the one the key is bound to. Errors: kPermissionDenied
/// for another than the bound one, kInvalidArgument (param "user") when there is none.
Result<UserScope> user_scope(const HttpRequest& request, const std::string& named);

/// ?limit= (1 to 500) and ?offset=. Handlers ask the store for one more than `limit`, to know
/// whether there are more.
Result<store::Page> page_of(const HttpRequest& request);
/// {"object": "list", "data": […], "has_more"}; drops what is over the page's limit.
Json list_object(Json data, const store::Page& page);

/// `handler` for a Handler that speaks in Results.
Handler result_handler(std::function<Result<HttpResponse>(const HttpRequest&)> handler);

// Parameters that several operations have.
Parameter user_in_path();
Parameter user_in_query();
Parameter app_header();
Parameter limit_parameter();
Parameter offset_parameter();
Parameter id_in_path(std::string name, std::string description);

}  // namespace rapport::server
