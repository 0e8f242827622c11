#include "rapport/server/assets.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

void replace(std::string& text, std::string_view mark, std::string_view with) {
  for (std::size_t at = text.find(mark); at != std::string::npos;
       at = text.find(mark, at + with.size()))
    text.replace(at, mark.size(), with);
}

/// One document: style and script inside, allowed by a nonce that no other script can know.
HttpResponse page(base::Random& random) {
  const std::string nonce = random.id("");
  std::string html(assets::kPageHtml);
  replace(html, "{{style}}", assets::kPageCss);
  replace(html, "{{script}}", assets::kPageJs);
  replace(html, "{{nonce}}", nonce);
  HttpResponse response = HttpResponse::text(std::move(html), "text/html; charset=utf-8");
  response.headers.insert(
      response.headers.end(),
      {{"content-security-policy",
        "default-src 'none'; style-src 'nonce-" + nonce + "'; script-src 'nonce-" + nonce +
            "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"},
       {"x-frame-options", "DENY"},
       {"referrer-policy", "no-referrer"},
       {"cross-origin-opener-policy", "same-origin"},
       {"cache-control", "no-store"}});
  return response;
}

HttpResponse readiness(const Services& services) {
  if (auto jobs = services.store.jobs({.limit = 1, .offset = 0}); !jobs)
    return HttpResponse::error({.code = ErrorCode::kUnavailable,
                                .message = "the store does not answer: the server's log says why",
                                .param = {},
                                .reason = "store_unavailable",
                                .retry_after = std::chrono::seconds(5)});
  const auto models = services.model.models();
  if (models.empty())
    return HttpResponse::error({.code = ErrorCode::kUnavailable,
                                .message = "no language model is loaded yet",
                                .param = {},
                                .reason = "model_unavailable",
                                .retry_after = std::chrono::seconds(5)});
  const auto served = services.catalogues.get();
  return HttpResponse::json(
      {{"status", "ready"},
       {"version", services.version},
       {"model", models.front().id},
       {"embedding_model", services.embedder == nullptr ? Json() : Json(services.embedder->id())},
       {"catalogue", served == nullptr ? Json() : Json(served->name())},
       {"recommender", served == nullptr ? Json() : Json(served->model().kind())},
       {"ranker", served == nullptr || served->ranking() == nullptr
                      ? Json()
                      : Json(served->ranking()->kind())}});
}

void add_public(Router& router, std::string pattern, Operation operation, Handler handler) {
  router.add({.method = "GET",
              .pattern = std::move(pattern),
              .access = Access::kPublic,
              .operation = std::move(operation),
              .handler = std::move(handler)});
}

}  // namespace

void add_status_routes(Router& router, const Services& services, const Metrics& metrics) {
  add_public(router, "/healthz",
             {.id = "health",
              .tag = "Operation",
              .summary = "The process answers",
              .responses = {{200, "It does", "Health"}}},
             [](const HttpRequest&) {
               return HttpResponse::json({{"status", "ok"}});
             });
  add_public(router, "/readyz",
             {.id = "ready",
              .tag = "Operation",
              .summary = "Store and model answer, so that requests can be served",
              .responses = {{200, "They do", "Ready"}}},
             [&services](const HttpRequest&) { return readiness(services); });
  router.add({.method = "GET",
              .pattern = "/metrics",
              .access = Access::kAdmin,
              .operation = {.id = "metrics",
                            .tag = "Operation",
                            .summary = "Counts and durations for Prometheus; nothing of users",
                            .responses = {{200, "The exposition format", "", "text/plain"}}},
              .handler = Handler([&metrics](const HttpRequest&) {
                return HttpResponse::text(metrics.text(), "text/plain; version=0.0.4");
              })});
  add_public(router, "/",
             {.id = "page",
              .tag = "Operation",
              .summary = "A page to try the API in a browser",
              .responses = {{200, "The page", "", "text/html"}}},
             [&services](const HttpRequest&) { return page(services.random); });
}

}  // namespace rapport::server
