// What users may do with all that is kept of them: take it along, bring it back, have it erased.
#include "rapport/base/text.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

// Packed, a body is bounded as every other is; unpacked, by this.
constexpr base::ZipLimits kArchive = {.max_entries = 64, .max_bytes = std::uint64_t{256} << 20};

Result<UserScope> scope(const HttpRequest& request) {
  return user_scope(request, request.path_parameters.at("id"));
}

Result<HttpResponse> erase(const Services& services, Authentication& authentication,
                           const HttpRequest& request) {
  TRY(const UserScope who, scope(request));
  TRY(const store::UserId user, services.users.id(who.app, who.name));
  TRY(const Json receipt, services.eraser.erase(user));
  // Keys that were bound to the user are gone.
  authentication.forget_all();
  return HttpResponse::json(receipt);
}

Result<HttpResponse> get_erasure(const Services& services, const HttpRequest& request) {
  TRY(const Json receipt, services.eraser.receipt(request.path_parameters.at("id")));
  return HttpResponse::json(receipt);
}

Result<HttpResponse> export_user(const Services& services, const HttpRequest& request) {
  TRY(const UserScope who, scope(request));
  TRY(std::string zip, services.archives.export_user(who.app, who.name));
  HttpResponse response = HttpResponse::text(std::move(zip), "application/zip");
  response.headers.emplace_back("content-disposition",
                                "attachment; filename=\"rapport-export.zip\"");
  response.headers.emplace_back("cache-control", "no-store");
  return response;
}

Result<HttpResponse> import_user(const Services& services, const HttpRequest& request) {
  TRY(const UserScope who, scope(request));
  const auto named = request.query.find("format");
  const std::string format = named == request.query.end() ? "rapport" : named->second;
  Json counts = Json::object();
  if (format == "rapport") {
    TRY(const auto imported,
        services.archives.import_user(who.app, who.name, request.body, kArchive));
    for (const auto& [kind, rows] : imported) counts[kind] = rows;
  } else {
    TRY(const auto parsed, engine::parse_conversation_format(format));
    TRY(const auto imported,
        services.importer.import(who.app, who.name, parsed, std::string_view(request.body)));
    counts = {{"conversations", imported.conversations},
              {"new_conversations", imported.begun},
              {"turns", imported.turns},
              {"facts", imported.facts}};
  }
  return HttpResponse::json(
      {{"object", "import"}, {"format", format}, {"imported", std::move(counts)}}, 201);
}

}  // namespace

void add_personal_data_routes(Router& router, const Services& services,
                              Authentication& authentication) {
  router.add({.method = "DELETE",
              .pattern = "/v1/users/{id}",
              .access = Access::kAnyKey,
              .operation = {.id = "eraseUser",
                            .tag = "Users",
                            .summary = "Erase a user",
                            .description = "Everything that is kept of the user, the keys bound to "
                                           "them too. The receipt is proof of it: keep it.",
                            .parameters = {user_in_path(), app_header()},
                            .responses = {{200, "The receipt", "Erasure"}}},
              .handler = result_handler([&services, &authentication](const HttpRequest& request) {
                return erase(services, authentication, request);
              })});
  router.add({.method = "GET",
              .pattern = "/v1/erasures/{id}",
              .access = Access::kApp,
              .operation = {.id = "getErasure",
                            .tag = "Users",
                            .summary = "The receipt of an erasure",
                            .description = "503 while it is not finished.",
                            .parameters = {id_in_path("id", "The receipt's id, `erasure_…`.")},
                            .responses = {{200, "The receipt", "Erasure"}}},
              .handler = result_handler([&services](const HttpRequest& request) {
                return get_erasure(services, request);
              })});
  router.add({.method = "GET",
              .pattern = "/v1/users/{id}/export",
              .access = Access::kAnyKey,
              .operation = {.id = "exportUser",
                            .tag = "Users",
                            .summary = "All that is kept of a user, as a zip",
                            .parameters = {user_in_path(), app_header()},
                            .responses = {{200, "The archive", "", "application/zip"}}},
              .handler = result_handler([&services](const HttpRequest& request) {
                return export_user(services, request);
              })});
  router.add({.method = "POST",
              .pattern = "/v1/users/{id}/import",
              .access = Access::kAnyKey,
              .operation =
                  {.id = "importUser",
                   .tag = "Users",
                   .summary = "Bring back an export, or conversations from elsewhere",
                   .description =
                       "The body is the file: an export of Rapport's (all or nothing, of a user "
                       "of whom nothing is kept), or what ChatGPT or Claude export, as the zip or "
                       "the conversations.json in it (only what is new is added).",
                   .parameters = {user_in_path(),
                                  {ParameterPlace::kQuery,
                                   "format",
                                   "Whose export it is.",
                                   false,
                                   {{"type", "string"},
                                    {"enum", {"rapport", "chatgpt", "claude"}},
                                    {"default", "rapport"}}},
                                  app_header()},
                   .responses = {{201, "How much was imported", "Import"}}},
              .handler = result_handler([&services](const HttpRequest& request) {
                return import_user(services, request);
              })});
}

}  // namespace rapport::server
