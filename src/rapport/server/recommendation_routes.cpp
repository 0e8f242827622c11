#include <fmt/format.h>

#include "rapport/server/json_fields.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

constexpr std::size_t kMaxListed = 1'000;  // ids or categories in one list
constexpr std::size_t kMaxWord = 512;      // bytes of one
constexpr std::size_t kMaxQuery = 1'000;   // bytes
constexpr std::int64_t kMaxYear = 10'000;
constexpr double kMaxPrice = 1e12;

Result<std::vector<std::string>> strings(Fields& fields, std::string_view key) {
  std::vector<std::string> values;
  TRY(const Json* array, fields.array(key));
  if (array == nullptr) return values;
  if (array->size() > kMaxListed)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} members: at most {}", fields.path_of(key), array->size(),
                            kMaxListed),
                fields.path_of(key));
  for (const Json& value : *array) {
    const std::string where = fmt::format("{}[{}]", fields.path_of(key), values.size());
    if (!value.is_string())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is {}: expected a string", where, type_name(value)), where);
    if (value.get_ref<const std::string&>().size() > kMaxWord)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} has more than {} bytes", where, kMaxWord), where);
    values.push_back(value.get<std::string>());
  }
  return values;
}

std::optional<std::int32_t> year(const std::optional<std::int64_t>& value) {
  if (!value) return std::nullopt;
  return static_cast<std::int32_t>(*value);
}

Result<engine::RecommendationFilters> read_filters(const Json* object) {
  engine::RecommendationFilters filters;
  if (object == nullptr) return filters;
  Fields fields(*object, "filters");
  TRY(filters.categories, strings(fields, "categories"));
  TRY(filters.without_categories, strings(fields, "without_categories"));
  TRY(filters.exclude, strings(fields, "exclude"));
  TRY(const auto from, fields.integer("year_from", -kMaxYear, kMaxYear));
  TRY(const auto to, fields.integer("year_to", -kMaxYear, kMaxYear));
  TRY(filters.brands, strings(fields, "brands"));
  TRY(filters.without_brands, strings(fields, "without_brands"));
  TRY(filters.price_from, fields.number("price_from", 0, kMaxPrice));
  TRY(filters.price_to, fields.number("price_to", 0, kMaxPrice));
  TRY(const auto seen, fields.boolean("include_seen"));
  TRY_VOID(fields.refuse_rest());
  filters.year_from = year(from);
  filters.year_to = year(to);
  filters.include_seen = seen.value_or(false);
  return filters;
}

Result<std::optional<profile::Degree>> read_degree(const HttpRequest& request) {
  const std::string_view text = request.header("x-rapport-degree");
  if (text.empty()) return std::nullopt;
  if (text.size() != 1 || text[0] < '0' || text[0] > '3')
    return fail(ErrorCode::kInvalidArgument, "x-rapport-degree must be 0, 1, 2 or 3",
                "X-Rapport-Degree");
  return static_cast<profile::Degree>(text[0] - '0');
}

Result<engine::RecommendationRequest> read_request(const HttpRequest& request) {
  TRY(const Json body, parse_body(request.body));
  Fields fields(body);
  engine::RecommendationRequest read;
  TRY(const auto user, fields.string("user"));
  TRY(const auto domain, fields.string("domain", kMaxWord));
  if (fields.any("history") != nullptr) {
    TRY(read.history, strings(fields, "history"));
  }
  TRY(read.k, fields.integer("k", 1, 1'000));
  TRY(const Json* filters, fields.object("filters"));
  TRY(read.filters, read_filters(filters));
  TRY(read.like, strings(fields, "like"));
  TRY(read.mood, strings(fields, "mood"));
  TRY(const auto query, fields.string("query", kMaxQuery));
  TRY(const auto explain, fields.boolean("explain"));
  TRY(read.diversity, fields.number("diversity", 0, 1));
  TRY_VOID(fields.refuse_rest());
  TRY(read.caller.app, app_of(request));
  read.caller.key_user = request.principal.bound_user;
  read.caller.header_user = request.header("x-rapport-user");
  read.caller.body_user = user.value_or("");
  read.domain = domain ? *domain : std::string(request.header("x-rapport-domain"));
  TRY(read.degree, read_degree(request));
  read.query = query.value_or("");
  read.explain = explain.value_or(false);
  return read;
}

Json to_json(const engine::RecommendedItem& item, bool with_reasons) {
  Json json = {{"item", item.id},
               {"title", item.title},
               {"categories", item.categories},
               {"year", item.year ? Json(*item.year) : Json()},
               {"score", item.score}};
  if (!with_reasons) return json;
  json["reasons"] = Json::array();
  for (const engine::Reason& reason : item.reasons) {
    json["reasons"].push_back(
        {{"kind", reason.kind}, {"text", reason.text}, {"evidence", reason.evidence}});
  }
  return json;
}

Result<HttpResponse> recommend(const Services& services, const HttpRequest& request) {
  TRY(const engine::RecommendationRequest read, read_request(request));
  TRY(const engine::Recommendation list, services.recommender.recommend(read));
  Json items = Json::array();
  for (const engine::RecommendedItem& item : list.items) {
    items.push_back(to_json(item, read.explain));
  }
  return HttpResponse::json({{"id", list.id},
                             {"object", "recommendation"},
                             {"created", base::iso8601(list.created)},
                             {"catalogue", list.catalogue},
                             {"model", list.model},
                             {"ranker", list.ranker.empty() ? Json() : Json(list.ranker)},
                             {"degree", static_cast<int>(list.degree)},
                             {"items", std::move(items)}});
}

}  // namespace

void add_recommendation_routes(Router& router, const Services& services) {
  router.add(
      {.method = "POST",
       .pattern = "/v1/recommendations",
       .access = Access::kAnyKey,
       .operation =
           {.id = "recommend",
            .tag = "Recommendations",
            .summary = "Items of the catalogue for a user, or for a history",
            .description =
                "Best first. At degree 0 the same for everybody; from degree 1 never one that the "
                "user hid, and unless asked for none that they liked or rated; from degree 2 none "
                "that they know already. The user is named by the key, x-rapport-user or `user`. "
                "Why each is there: `explain`, or the explanation of the recommendation's id.",
            .parameters = {{ParameterPlace::kHeader, "x-rapport-user",
                            "The application's own name of the user."},
                           {ParameterPlace::kHeader, "x-rapport-domain",
                            "The domain whose settings count."},
                           {ParameterPlace::kHeader,
                            "x-rapport-degree",
                            "Lowers how far personalisation goes for this request.",
                            false,
                            {{"type", "integer"}, {"minimum", 0}, {"maximum", 3}}},
                           app_header()},
            .request_schema = "RecommendationRequest",
            .responses = {{200, "The list", "Recommendation"}}},
       .handler = result_handler(
           [&services](const HttpRequest& request) { return recommend(services, request); })});
}

}  // namespace rapport::server
