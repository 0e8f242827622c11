// The HTTP server: every route of the API over one engine.
//
//   TRY(auto server, Server::start(options, {.store = *store, .responder = responder, …}));
//   std::cout << server->url() << '\n';
//   …
//   server->shutdown();   // before the responder's
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/engine/archive.h"
#include "rapport/engine/conversation_import.h"
#include "rapport/engine/erasure.h"
#include "rapport/engine/interactions.h"
#include "rapport/engine/recommend.h"
#include "rapport/engine/respond.h"
#include "rapport/engine/users.h"
#include "rapport/language/language_model.h"
#include "rapport/language/text_embedder.h"
#include "rapport/server/server_options.h"
#include "rapport/store/key_ring.h"
#include "rapport/store/store.h"

namespace rapport::server {

/// What the handlers work with; must outlive the server.
struct Services {
  store::Store& store;
  const store::KeyRing& keys;
  engine::Responder& responder;
  engine::Users& users;
  const engine::CatalogueSlot& catalogues;
  engine::Recommender& recommender;
  engine::Interactions& interactions;
  engine::Eraser& eraser;
  engine::Archives& archives;
  engine::ConversationImporter& importer;
  language::LanguageModel& model;
  language::TextEmbedder* embedder = nullptr;  // without one /v1/embeddings says what to do
  const base::Clock& clock;
  base::Random& random;
  std::string version = "0";
};

/// What `start` would refuse of the options by themselves. Errors: kInvalidArgument.
Result<void> check(const ServerOptions& options);

/// Thread-safe. The destructor shuts down.
class Server {
 public:
  /// Serves when it returns. Errors: kInvalidArgument of an option, kUnavailable when the port is
  /// taken, kPermissionDenied, kIo.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Services services);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  /// "http://127.0.0.1:8080".
  std::string url() const;
  /// Accepts no more, lets running requests finish (ServerOptions::shutdown_seconds), then cuts
  /// them off. Idempotent.
  void shutdown();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace rapport::server
