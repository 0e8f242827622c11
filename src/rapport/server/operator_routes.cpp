#include "rapport/server/json_fields.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

Json to_json(const store::Job& job) {
  // Not the payload: it may be a user's words.
  return {{"id", job.id},
          {"object", "job"},
          {"kind", job.kind},
          {"user", job.user.empty() ? Json() : Json(job.user)},
          {"status", store::name(job.status)},
          {"attempts", job.attempts},
          {"max_attempts", job.max_attempts},
          {"progress", job.progress},
          {"error", job.error.empty() ? Json() : Json(job.error)},
          {"not_before", base::iso8601(job.not_before)},
          {"created", base::iso8601(job.created)},
          {"updated", base::iso8601(job.updated)}};
}

Json to_json(const store::ApiKey& key) {
  return {{"id", key.id},
          {"object", "api_key"},
          {"label", key.label},
          {"app", key.app},
          {"role", store::name(key.role)},
          {"user", key.user_name.empty() ? Json() : Json(key.user_name)},
          {"created", base::iso8601(key.created)},
          {"revoked", key.revoked ? Json(base::iso8601(*key.revoked)) : Json()}};
}

Result<HttpResponse> list_jobs(const Services& services, const HttpRequest& request) {
  TRY(const store::Page page, page_of(request));
  TRY(const auto jobs, services.store.jobs(page));
  Json data = Json::array();
  for (const store::Job& job : jobs) data.push_back(to_json(job));
  return HttpResponse::json(list_object(std::move(data), page));
}

Result<HttpResponse> get_job(const Services& services, const HttpRequest& request) {
  TRY(const store::Job job, services.store.job(request.path_parameters.at("id")));
  return HttpResponse::json(to_json(job));
}

Result<HttpResponse> list_keys(const Services& services) {
  TRY(const auto keys, services.store.keys());
  Json data = Json::array();
  for (const store::ApiKey& key : keys) data.push_back(to_json(key));
  return HttpResponse::json({{"object", "list"}, {"data", std::move(data)}});
}

Result<HttpResponse> add_key(const Services& services, Authentication& authentication,
                             const HttpRequest& request) {
  TRY(const Json body, parse_body(request.body));
  Fields fields(body);
  TRY(const auto label, fields.string("label"));
  TRY(const auto app, fields.string("app"));
  TRY(const auto user, fields.string("user"));
  TRY(const auto role_name, fields.string("role"));
  TRY_VOID(fields.refuse_rest());
  store::KeyRole role = user ? store::KeyRole::kUser : store::KeyRole::kApp;
  if (role_name) {
    const auto parsed = store::parse_key_role(*role_name);
    if (!parsed) return fields.wrong("role", "admin, app or user");
    role = *parsed;
  }
  TRY(const CreatedKey created,
      create_key(services.store, services.keys, services.random, services.clock, label.value_or(""),
                 app.value_or(request.principal.app), role, user.value_or("")));
  authentication.forget_all();
  Json json = to_json(created.key);
  json["key"] = created.secret;
  HttpResponse response = HttpResponse::json(json, 201);
  response.headers.emplace_back("cache-control", "no-store");
  return response;
}

Result<HttpResponse> revoke_key(const Services& services, Authentication& authentication,
                                const HttpRequest& request) {
  const std::string& id = request.path_parameters.at("id");
  auto revoked = services.store.revoke_key(id);
  authentication.forget_all();
  if (!revoked) return fail(std::move(revoked).error());
  return HttpResponse::json({{"id", id}, {"object", "api_key"}, {"deleted", true}});
}

}  // namespace

void add_operator_routes(Router& router, const Services& services, Authentication& authentication) {
  router.add({.method = "GET",
              .pattern = "/v1/jobs",
              .access = Access::kAdmin,
              .operation = {.id = "listJobs",
                            .tag = "Operation",
                            .summary = "Background jobs, newest first",
                            .parameters = {limit_parameter(), offset_parameter()},
                            .responses = {{200, "The jobs", "JobList"}}},
              .handler = result_handler([&services](const HttpRequest& request) {
                return list_jobs(services, request);
              })});
  router.add({.method = "GET",
              .pattern = "/v1/jobs/{id}",
              .access = Access::kAdmin,
              .operation = {.id = "getJob",
                            .tag = "Operation",
                            .summary = "One background job, with its progress",
                            .parameters = {id_in_path("id", "The job's id, `job_…`.")},
                            .responses = {{200, "The job", "Job"}}},
              .handler = result_handler(
                  [&services](const HttpRequest& request) { return get_job(services, request); })});
  router.add(
      {.method = "GET",
       .pattern = "/v1/keys",
       .access = Access::kAdmin,
       .operation = {.id = "listKeys",
                     .tag = "Operation",
                     .summary = "The API keys, without their secrets",
                     .responses = {{200, "The keys", "KeyList"}}},
       .handler = result_handler([&services](const HttpRequest&) { return list_keys(services); })});
  router.add(
      {.method = "POST",
       .pattern = "/v1/keys",
       .access = Access::kAdmin,
       .operation = {.id = "createKey",
                     .tag = "Operation",
                     .summary = "Make an API key",
                     .description = "The secret is in this answer and nowhere else. With the "
                                    "first key a server on loopback begins to ask for keys.",
                     .request_schema = "NewKey",
                     .responses = {{201, "The key with its secret", "CreatedKey"}}},
       .handler = result_handler([&services, &authentication](const HttpRequest& request) {
         return add_key(services, authentication, request);
       })});
  router.add({.method = "DELETE",
              .pattern = "/v1/keys/{id}",
              .access = Access::kAdmin,
              .operation = {.id = "revokeKey",
                            .tag = "Operation",
                            .summary = "Revoke an API key",
                            .description = "It stops working at once.",
                            .parameters = {id_in_path("id", "The key's id, `key_…`.")},
                            .responses = {{200, "Revoked", "Deleted"}}},
              .handler = result_handler([&services, &authentication](const HttpRequest& request) {
                return revoke_key(services, authentication, request);
              })});
}

}  // namespace rapport::server
