#include "test_server.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "rapport/server/authentication.h"

namespace rapport::testing {
namespace {

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

}  // namespace

Result<language::EmbeddingMatrix> LetterEmbedder::do_embed(const std::vector<std::string>& texts) {
  language::EmbeddingMatrix matrix;
  matrix.rows = static_cast<std::int64_t>(texts.size());
  matrix.columns = 2;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string field = "input[" + std::to_string(i) + "]";
    if (texts[i].size() > 100)
      return fail(ErrorCode::kInvalidArgument, field + " is too long", field,
                  "context_length_exceeded");
    const auto length = static_cast<float>(texts[i].size());
    const auto as = static_cast<float>(std::ranges::count(texts[i], 'a'));
    const float norm = std::sqrt(length * length + as * as);
    matrix.values.push_back(length / norm);
    matrix.values.push_back(as / norm);
    ++matrix.tokens;
  }
  return matrix;
}

TestServer::TestServer(std::vector<std::string> answers, server::ServerOptions options)
    : model(std::make_unique<ScriptedLanguageModel>(std::move(answers))) {
  start(std::move(options));
}

TestServer::TestServer(ScriptedLanguageModel::Script script, server::ServerOptions options)
    : model(std::make_unique<ScriptedLanguageModel>(std::move(script))) {
  start(std::move(options));
}

TestServer::~TestServer() {
  if (server) server->shutdown();
  // What a test left held must not hold the responder.
  model->release();
  responder->shutdown();
}

void TestServer::start(server::ServerOptions options) {
  auto home = must(store::HomeStore::open(directory.path(), {}, clock, random));
  keys = std::make_unique<store::KeyRing>(std::move(home.keys));
  user_keys = std::move(home.user_keys);
  store = std::move(home.store);
  users = std::make_unique<engine::Users>(*store, *keys, clock, random);
  recommender =
      std::make_unique<engine::Recommender>(engine::RecommendOptions{}, profile::Degree::kMemory,
                                            *store, *keys, catalogues, attribution, clock, random);
  interactions = std::make_unique<engine::Interactions>(*store, *users, catalogues, attribution,
                                                        profile::Degree::kMemory, clock, random);
  personal = engine::personal_data_of(directory.path());
  personal.add(engine::attribution_kind(attribution));
  personal.add(engine::prompt_cache_kind(*model));
  eraser = std::make_unique<engine::Eraser>(*store, *user_keys, personal, directory.path(), clock);
  archives = std::make_unique<engine::Archives>(*store, *users, personal, clock);
  importer = std::make_unique<engine::ConversationImporter>(*store, *users,
                                                            profile::Degree::kMemory, random);
  responder = std::make_unique<engine::Responder>(engine::EngineOptions{}, *store, *keys, *model,
                                                  clock, random, recommender.get());
  if (options.listen == server::ServerOptions{}.listen) options.listen = "127.0.0.1:0";
  server = must(server::Server::start(std::move(options), services()));
}

server::Services TestServer::services() {
  return {.store = *store,
          .keys = *keys,
          .responder = *responder,
          .users = *users,
          .catalogues = catalogues,
          .recommender = *recommender,
          .interactions = *interactions,
          .eraser = *eraser,
          .archives = *archives,
          .importer = *importer,
          .model = *model,
          .embedder = &embedder,
          .clock = clock,
          .random = random,
          .version = "1.2.3"};
}

Received TestServer::get(std::string_view target, const Headers& headers) const {
  return http(port(), "GET", target, std::string_view(), headers);
}

Received TestServer::post(std::string_view target, const Json& body, const Headers& headers) const {
  return http(port(), "POST", target, body, headers);
}

Received TestServer::send(std::string_view method, std::string_view target, const Json& body,
                          const Headers& headers) const {
  return body.is_null() ? http(port(), method, target, std::string_view(), headers)
                        : http(port(), method, target, body, headers);
}

Received TestServer::chat(const std::string& user, const std::string& text,
                          const Json& more) const {
  Json body = say(text);
  if (!user.empty()) body["user"] = user;
  if (more.is_object()) body.update(more);
  return post("/v1/chat/completions", body);
}

std::string TestServer::key(store::KeyRole role, const std::string& app, const std::string& user) {
  return must(server::create_key(*store, *keys, random, clock, "test", app, role, user)).secret;
}

Headers bearer(const std::string& secret) {
  return {{"Authorization", "Bearer " + secret}};
}

Json say(const std::string& text) {
  return {{"messages", Json::array({{{"role", "user"}, {"content", text}}})}};
}

}  // namespace rapport::testing
