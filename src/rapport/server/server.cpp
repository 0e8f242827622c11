#include "rapport/server/server.h"

#include <mutex>

#include "rapport/base/log.h"
#include "rapport/base/thread_pool.h"
#include "rapport/server/listener.h"
#include "rapport/server/openapi.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

struct Entrance {
  ListenAddress address;
  BrowserGuard browser;
};

Result<Entrance> entrance_of(const ServerOptions& options) {
  TRY(ListenAddress address, parse_listen_address(options.listen));
  TRY(BrowserGuard browser, BrowserGuard::create(options.cors_origins));
  if (browser.allows_every_origin() && address.loopback && !options.require_keys)
    return fail(ErrorCode::kInvalidArgument,
                "server.cors_origins is \"*\" while no key is required: every web page that a "
                "browser here shows could use this server; name the origins, or set "
                "server.require_keys",
                "server.cors_origins");
  return Entrance{std::move(address), std::move(browser)};
}

void say_who_may_come_in(const ListenAddress& address, const ServerOptions& options,
                         store::Store& store) {
  const auto keys = store.keys();
  if (address.loopback && !options.require_keys && keys && keys->empty()) {
    base::log_info("programs of this machine need no API key until the first one is made",
                   {{"how", "rapport keys create"}});
    return;
  }
  const bool any = keys && std::ranges::any_of(*keys, [](const store::ApiKey& key) {
                     return !key.revoked.has_value();
                   });
  base::log_info("every request needs an API key", {{"listen", options.listen}});
  if (!any)
    base::log_warning("no API key is in use, so nobody can come in",
                      {{"remedy", "rapport keys create --label NAME --role admin"}});
}

}  // namespace

struct Server::Parts {
  Parts(ServerOptions given, Services with, ListenAddress at, BrowserGuard browser)
      : options(std::move(given)),
        services(std::move(with)),
        address(std::move(at)),
        authentication({.loopback = address.loopback,
                        .require_keys = options.require_keys,
                        .cache_time = milliseconds(options.key_cache_seconds)},
                       services.store, services.clock),
        metrics(std::make_shared<Metrics>(services.version)),
        workers("http", static_cast<std::size_t>(options.worker_threads),
                static_cast<std::size_t>(options.max_queued)),
        door(options, std::move(browser), authentication, router, services.clock) {
    metrics->watch_queue([this] { return workers.queued(); });
  }

  void add_routes();

  // In the order they need each other.
  const ServerOptions options;
  const Services services;
  const ListenAddress address;
  Authentication authentication;
  const std::shared_ptr<Metrics> metrics;
  Router router;
  std::string specification;  // /openapi.json, made when all routes are in the table
  base::ThreadPool workers;
  Door door;
  std::unique_ptr<Listener> listener;
  std::once_flag shut_down;
};

void Server::Parts::add_routes() {
  add_chat_routes(router, services, metrics);
  add_model_routes(router, services);
  add_embedding_routes(router, services);
  add_user_routes(router, services);
  add_conversation_routes(router, services);
  add_response_routes(router, services);
  add_recommendation_routes(router, services);
  add_catalogue_routes(router, services);
  add_history_routes(router, services);
  add_personal_data_routes(router, services, authentication);
  add_operator_routes(router, services, authentication);
  add_status_routes(router, services, *metrics);
  router.add({.method = "GET",
              .pattern = "/openapi.json",
              .access = Access::kPublic,
              .operation = {.id = "specification",
                            .tag = "Operation",
                            .summary = "This specification",
                            .responses = {{200, "OpenAPI 3.1", "OpenApi"}}},
              .handler = Handler([this](const HttpRequest&) {
                return HttpResponse::text(specification, "application/json");
              })});
  specification = base::dump_json(openapi_document(router, services.version));
}

Result<void> check(const ServerOptions& options) {
  TRY_VOID(entrance_of(options));
  return {};
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Services services) {
  TRY(Entrance entrance, entrance_of(options));
  auto parts = std::make_unique<Parts>(std::move(options), std::move(services),
                                       std::move(entrance.address), std::move(entrance.browser));
  Parts& made = *parts;
  made.add_routes();
  TRY(made.listener, Listener::open(made.address, made.options, made.door, made.workers,
                                    *made.metrics, made.services.random));
  std::unique_ptr<Server> server(new Server(std::move(parts)));
  base::log_info("listening", {{"url", server->url()}});
  say_who_may_come_in(made.address, made.options, made.services.store);
  return server;
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() {
  shutdown();
}

std::uint16_t Server::port() const {
  return parts_->listener->port();
}

std::string Server::url() const {
  return parts_->address.url(port());
}

void Server::shutdown() {
  std::call_once(parts_->shut_down, [this] {
    parts_->listener->shutdown(milliseconds(parts_->options.shutdown_seconds));
    parts_->workers.shutdown();
  });
}

}  // namespace rapport::server
