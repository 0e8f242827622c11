// The specification of the API, made from the route table, so that it cannot say anything else than
// what is served.
#pragma once

#include <string>

#include "rapport/server/router.h"

namespace rapport::server {

/// OpenAPI 3.1 of all routes in `router`; schemas come from page/schemas_*.json.
Json openapi_document(const Router& router, const std::string& version);

/// "/v1/models/{id*}" → "/v1/models/{id}".
std::string openapi_path(const std::string& pattern);

}  // namespace rapport::server
