#include "rapport/server/openapi.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/server/assets.h"

namespace rapport::server {
namespace {

std::string_view name(ParameterPlace place) {
  switch (place) {
    case ParameterPlace::kPath: return "path";
    case ParameterPlace::kQuery: return "query";
    case ParameterPlace::kHeader: return "header";
  }
  return "query";
}

Json reference(const std::string& schema) {
  return {{"$ref", "#/components/schemas/" + schema}};
}

Json content(const std::string& type, const std::string& schema) {
  Json media = Json::object();
  if (!schema.empty()) media["schema"] = reference(schema);
  return {{type, std::move(media)}};
}

Json responses_of(const Operation& operation) {
  Json responses = Json::object();
  for (const ResponseDescription& each : operation.responses) {
    Json& response = responses[std::to_string(each.status)];
    if (response.is_null())
      response = {{"description", each.description}, {"content", Json::object()}};
    else
      response["description"] =
          response["description"].get<std::string>() + ". " + each.description;
    response["content"].update(content(each.content_type, each.schema));
  }
  responses["default"] = {{"description", "What went wrong"},
                          {"content", content("application/json", "Error")}};
  return responses;
}

std::string description_of(const Route& route) {
  std::string text = route.operation.description;
  if (!text.empty()) text += "\n\n";
  switch (route.access) {
    case Access::kPublic: text += "Needs no key."; break;
    case Access::kAnyKey:
      text += "Any key; one that is bound to a user reaches that user only.";
      break;
    case Access::kApp: text += "Keys of role app or admin."; break;
    case Access::kAdmin: text += "Keys of role admin."; break;
  }
  return text;
}

Json operation_of(const Route& route) {
  const Operation& operation = route.operation;
  Json json = {{"operationId", operation.id},
               {"tags", Json::array({operation.tag})},
               {"summary", operation.summary},
               {"description", description_of(route)}};
  if (route.access == Access::kPublic) json["security"] = Json::array();
  for (const Parameter& each : operation.parameters) {
    json["parameters"].push_back({{"name", each.name},
                                  {"in", name(each.place)},
                                  {"required", each.required},
                                  {"description", each.description},
                                  {"schema", each.schema}});
  }
  if (!operation.request_schema.empty())
    json["requestBody"] = {{"required", true},
                           {"content", content("application/json", operation.request_schema)}};
  json["responses"] = responses_of(operation);
  return json;
}

Json schemas() {
  Json all = Json::parse(assets::kOpenAiSchemas);
  all.update(Json::parse(assets::kRapportSchemas));
  return all;
}

}  // namespace

std::string openapi_path(const std::string& pattern) {
  std::string path = pattern;
  if (const auto star = path.find("*}"); star != std::string::npos) path.erase(star, 1);
  return path;
}

Json openapi_document(const Router& router, const std::string& version) {
  Json paths = Json::object();
  for (const Route& route : router.routes()) {
    std::string method = route.method;
    std::ranges::transform(method, method.begin(),
                           [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    paths[openapi_path(route.pattern)][method] = operation_of(route);
  }
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "Rapport"},
            {"version", version},
            {"description",
             "Makes any language model application personal: OpenAI's API, and what it takes to "
             "see and change what is known of a user."},
            {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
          // Relative: true behind a proxy too.
          {"servers", Json::array({{{"url", "/"}}})},
          {"security", Json::array({{{"key", Json::array()}}, Json::object()})},
          {"paths", std::move(paths)},
          {"components",
           {{"securitySchemes",
             {{"key",
               {{"type", "http"},
                {"scheme", "bearer"},
                {"description",
                 "rk_…, made by `rapport keys create`. On loopback none is needed "
                 "until the first is made."}}}}},
            {"schemas", schemas()}}}};
}

}  // namespace rapport::server
