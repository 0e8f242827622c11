#include <fmt/format.h>

#include "rapport/base/text.h"
#include "rapport/server/json_fields.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

constexpr std::size_t kMaxQuery = 512;  // bytes

using Served = std::shared_ptr<const engine::ServedCatalogue>;

Json item_json(const engine::ServedCatalogue& served, data::ItemIndex index) {
  const data::Item item = served.catalogue().item(index);
  return {{"id", item.id},
          {"object", "item"},
          {"title", item.title},
          {"categories", item.categories},
          {"brand", item.brand.empty() ? Json() : Json(item.brand)},
          {"year", item.year ? Json(*item.year) : Json()},
          {"price", item.price ? Json(*item.price) : Json()},
          {"interactions", served.interactions(index)},
          {"popularity_rank", served.popularity_rank(index)}};
}

std::string query_of(const HttpRequest& request, const std::string& key) {
  const auto found = request.query.find(key);
  return found == request.query.end() ? "" : found->second;
}

Result<HttpResponse> describe(const Services& services, const HttpRequest&) {
  TRY(const Served served, services.catalogues.require());
  return HttpResponse::json(
      {{"object", "catalogue"},
       {"name", served->name()},
       {"domain", services.recommender.options().domain},
       {"items", served->catalogue().size()},
       {"categories", served->category_names()},
       {"model", served->model().kind()},
       {"ranker", served->ranking() ? Json(served->ranking()->kind()) : Json()},
       {"why_no_ranker", served->ranking() ? Json() : Json(served->why_no_ranking())},
       {"why_no_model", served->has_model() ? Json() : Json(served->why_no_model())}});
}

Result<HttpResponse> list(const Services& services, const HttpRequest& request) {
  TRY(const Served served, services.catalogues.require());
  TRY(const store::Page page, page_of(request));
  const std::string query = query_of(request, "query");
  if (query.size() > kMaxQuery)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("query has {} bytes: at most {}", query.size(), kMaxQuery), "query");
  std::optional<engine::CategoryIndex> category;
  if (const std::string named = query_of(request, "category"); !named.empty()) {
    category = served->find_category(named);
    if (!category)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("\"{}\" is no category of {}: GET /v1/catalogue lists them",
                              base::truncate(named, 60), served->name()),
                  "category");
  }
  Json data = Json::array();
  for (const data::ItemIndex item : served->search(query, category, page.limit, page.offset))
    data.push_back(item_json(*served, item));
  return HttpResponse::json(list_object(std::move(data), page));
}

Result<HttpResponse> get(const Services& services, const HttpRequest& request) {
  TRY(const Served served, services.catalogues.require());
  auto item = served->require(request.path_parameters.at("id"), "id");
  if (!item) return fail(ErrorCode::kNotFound, item.error().message, "id");
  return HttpResponse::json(item_json(*served, *item));
}

}  // namespace

void add_catalogue_routes(Router& router, const Services& services) {
  const auto handler = [&services](auto function) {
    return result_handler(
        [&services, function](const HttpRequest& request) { return function(services, request); });
  };
  router.add({.method = "GET",
              .pattern = "/v1/catalogue",
              .access = Access::kAnyKey,
              .operation = {.id = "getCatalogue",
                            .tag = "Recommendations",
                            .summary = "What is recommended from: name, categories, model",
                            .responses = {{200, "The catalogue", "Catalogue"}}},
              .handler = handler(describe)});
  router.add({.method = "GET",
              .pattern = "/v1/catalogue/items",
              .access = Access::kAnyKey,
              .operation = {.id = "listItems",
                            .tag = "Recommendations",
                            .summary = "Items of the catalogue, the most popular first",
                            .parameters = {{ParameterPlace::kQuery, "query",
                                            "Words that the title must have, whatever their case."},
                                           {ParameterPlace::kQuery, "category",
                                            "A category that the items must have."},
                                           limit_parameter(),
                                           offset_parameter()},
                            .responses = {{200, "The items", "ItemList"}}},
              .handler = handler(list)});
  router.add({.method = "GET",
              .pattern = "/v1/catalogue/items/{id}",
              .access = Access::kAnyKey,
              .operation = {.id = "getItem",
                            .tag = "Recommendations",
                            .summary = "One item of the catalogue",
                            .parameters = {id_in_path("id", "The catalogue's own id of the item.")},
                            .responses = {{200, "The item", "Item"}}},
              .handler = handler(get)});
}

}  // namespace rapport::server
