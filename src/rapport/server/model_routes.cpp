#include <fmt/format.h>

#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

/// OpenAI's model object, and what we know beside it.
Json to_json(const language::ModelInfo& model) {
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "rapport"},
          {"backend", model.backend},
          {"context_tokens", model.context_tokens == 0 ? Json() : Json(model.context_tokens)},
          {"parameters", model.parameters == 0 ? Json() : Json(model.parameters)}};
}

std::vector<language::ModelInfo> all_models(const Services& services) {
  std::vector<language::ModelInfo> models = services.model.models();
  if (services.embedder != nullptr)
    models.push_back({.id = services.embedder->id(), .backend = "embedded"});
  return models;
}

Result<HttpResponse> one_model(const Services& services, const std::string& id) {
  const auto models = all_models(services);
  for (const language::ModelInfo& model : models) {
    if (id == model.id || id == "default") return HttpResponse::json(to_json(model));
  }
  return fail(ErrorCode::kNotFound,
              fmt::format("there is no model \"{}\": GET /v1/models lists them", id), "model",
              "model_not_found");
}

}  // namespace

void add_model_routes(Router& router, const Services& services) {
  router.add({.method = "GET",
              .pattern = "/v1/models",
              .access = Access::kAnyKey,
              .operation = {.id = "listModels",
                            .tag = "Models",
                            .summary = "The models that answer here",
                            .description = "The first is what the name `default` means.",
                            .responses = {{200, "All models", "ModelList"}}},
              .handler = Handler([&services](const HttpRequest&) {
                Json data = Json::array();
                for (const auto& model : all_models(services)) data.push_back(to_json(model));
                return HttpResponse::json({{"object", "list"}, {"data", std::move(data)}});
              })});
  router.add({.method = "GET",
              .pattern = "/v1/models/{id*}",
              .access = Access::kAnyKey,
              .operation = {.id = "getModel",
                            .tag = "Models",
                            .summary = "One model",
                            .parameters = {id_in_path("id", "The model's id, or `default`.")},
                            .responses = {{200, "The model", "Model"}}},
              .handler = result_handler([&services](const HttpRequest& request) {
                return one_model(services, request.path_parameters.at("id"));
              })});
}

}  // namespace rapport::server
