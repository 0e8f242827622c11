// The parts of a running Rapport, put together from the configuration. Commands open only what they
// need.
//
//   TRY(Configuration configuration, load_configuration(context));
//   TRY(auto state, State::open(configuration));          // database and keys
//   TRY(auto models, Models::load(configuration, …));     // language and embedding model
#pragma once

#include <memory>
#include <string>

#include "rapport/base/clock.h"
#include "rapport/base/config.h"
#include "rapport/base/http_client.h"
#include "rapport/base/random.h"
#include "rapport/cli/command_line.h"
#include "rapport/engine/archive.h"
#include "rapport/engine/conversation_import.h"
#include "rapport/engine/curator.h"
#include "rapport/engine/erasure.h"
#include "rapport/engine/interactions.h"
#include "rapport/engine/recommend.h"
#include "rapport/engine/respond.h"
#include "rapport/engine/users.h"
#include "rapport/language/embedded_model.h"
#include "rapport/language/llama_embedder.h"
#include "rapport/language/remote_model.h"
#include "rapport/server/server_options.h"
#include "rapport/store/home_store.h"

namespace rapport::cli {

/// Every option of the program, in effect.
struct Configuration {
  std::string home;
  std::string backend = "embedded";  // or "remote"
  language::EmbeddedOptions embedded;
  language::RemoteOptions remote;
  language::EmbedderOptions embedding;
  bool embedding_enabled = true;
  engine::EngineOptions engine;
  engine::RecommendOptions recommend;
  server::ServerOptions server;
  std::string synchronous = "normal";

  void describe(base::OptionSet& set);
};

/// Defaults → file → environment → flags. `set` gets the options with their origins; it points into
/// `configuration`.
Result<void> load_configuration(const Context& context, Configuration& configuration,
                                base::OptionSet& set);

/// The durable state: `home` with the database and the keys, made (0700) when missing.
struct State {
  base::SystemClock clock;
  base::SystemRandom random;
  std::optional<store::KeyRing> keys;
  std::unique_ptr<store::UserKeys> user_keys;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<engine::Users> users;
  engine::PersonalData personal;
  std::unique_ptr<engine::Eraser> eraser;
  std::unique_ptr<engine::Archives> archives;
  std::unique_ptr<engine::ConversationImporter> importer;

  /// Finishes the erasures that a killed process began, and erases again whom a backup brought
  /// back.
  static Result<std::unique_ptr<State>> open(const Configuration& configuration);
};

/// The configured models, loaded.
struct Models {
  base::HttpClient http;
  std::unique_ptr<language::LanguageModel> language;
  std::unique_ptr<language::TextEmbedder>
      embedder;  // null when there is none; `embedder_error` says why
  std::string embedder_error;

  /// Null where the language model is a remote one.
  language::EmbeddedModel* embedded() const;

  static Result<std::unique_ptr<Models>> load(const Configuration& configuration, State& state,
                                              bool with_embedder);
};

/// What recommends: the catalogue that is served, and who looks after it.
struct Recommendations {
  engine::CatalogueSlot catalogues;
  engine::Attribution attribution;
  engine::Curator curator;
  engine::Recommender recommender;
  engine::Interactions interactions;

  /// `demo`: whether the demo's data set may be prepared when none is configured. Nothing is opened
  /// yet: see `curator`.
  /// `language_model` may be null: see Curator.
  Recommendations(const Configuration& configuration, State& state,
                  language::EmbeddedModel* language_model, bool demo);
};

/// Where the master key comes from: the environment, and this terminal where there is one.
store::MasterKeySources key_sources();

/// `load_configuration` and `State::open` in one, for commands on users, facts and keys.
Result<std::unique_ptr<State>> open_state(const Context& context);

}  // namespace rapport::cli
