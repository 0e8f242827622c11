// The whole server over its real parts: the engine, SQLite in a temporary folder, sockets on
// loopback. Only the language model is scripted.
//
//   TestServer server({"Hello!"});
//   server.post("/v1/chat/completions", {{"messages", …}});
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "http_connection.h"
#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/engine/interactions.h"
#include "rapport/engine/recommend.h"
#include "rapport/engine/respond.h"
#include "rapport/engine/users.h"
#include "rapport/server/server.h"
#include "rapport/store/home_store.h"
#include "testing/scripted_language_model.h"
#include "testing/temporary_directory.h"

namespace rapport::testing {

/// Rows are [length, number of 'a'] made unit length; a text of more than 100 bytes is too long.
class LetterEmbedder final : public language::TextEmbedder {
 private:
  Result<language::EmbeddingMatrix> do_embed(const std::vector<std::string>& texts) override;
  std::int64_t do_dimensions() const override { return 2; }
  std::string do_id() const override { return "letters"; }
};

class TestServer {
 public:
  explicit TestServer(std::vector<std::string> answers, server::ServerOptions options = {});
  explicit TestServer(ScriptedLanguageModel::Script script, server::ServerOptions options = {});
  ~TestServer();

  std::uint16_t port() const { return server->port(); }
  Received get(std::string_view target, const Headers& headers = {}) const;
  Received post(std::string_view target, const Json& body, const Headers& headers = {}) const;
  Received send(std::string_view method, std::string_view target, const Json& body,
                const Headers& headers = {}) const;
  /// A chat of one user message.
  Received chat(const std::string& user, const std::string& text, const Json& more = {}) const;
  /// Makes a key; its secret.
  std::string key(store::KeyRole role, const std::string& app = "default",
                  const std::string& user = "");
  void start(server::ServerOptions options);
  /// What a server serves: this one's, for another one beside it.
  server::Services services();

  TemporaryDirectory directory;
  base::SystemClock clock;
  base::SystemRandom random;
  LetterEmbedder embedder;
  std::unique_ptr<ScriptedLanguageModel> model;
  std::unique_ptr<store::KeyRing> keys;
  std::unique_ptr<store::UserKeys> user_keys;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<engine::Users> users;
  engine::CatalogueSlot catalogues;  // empty until a test puts one in
  engine::Attribution attribution;
  std::unique_ptr<engine::Recommender> recommender;
  std::unique_ptr<engine::Interactions> interactions;
  engine::PersonalData personal;
  std::unique_ptr<engine::Eraser> eraser;
  std::unique_ptr<engine::Archives> archives;
  std::unique_ptr<engine::ConversationImporter> importer;
  std::unique_ptr<engine::Responder> responder;
  std::unique_ptr<server::Server> server;
};

/// "authorization: Bearer …".
Headers bearer(const std::string& secret);
/// {"messages": [{"role": "user", "content": text}]}.
Json say(const std::string& text);

}  // namespace rapport::testing
