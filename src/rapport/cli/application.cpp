#include "rapport/cli/application.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "rapport/base/log.h"
#include "rapport/cli/terminal.h"
#include "rapport/engine/wish_text.h"
#include "rapport/language/model_files.h"
#include "rapport/retrieval/registry.h"

namespace rapport::cli {
namespace {

constexpr const char* kDefaultLanguageModel = "smollm2-135m-instruct-q8_0";
constexpr const char* kDefaultEmbeddingModel = "all-minilm-l6-v2-f32";

Result<std::string> find_model_path(const std::string& name, const std::string& home,
                                    const char* option) {
  auto file = language::find_model(name, language::model_folders(home));
  if (!file) {
    Error error = std::move(file).error();
    error.message += fmt::format(" (option {}; scripts/models makes the default ones)", option);
    return fail(std::move(error));
  }
  return file->path.string();
}

Result<std::unique_ptr<language::LanguageModel>> load_language_model(
    const Configuration& configuration, State& state, base::HttpClient& http) {
  if (configuration.backend == "remote") {
    TRY(auto remote,
        language::RemoteModel::create(configuration.remote, http, state.clock, state.random));
    return remote;
  }
  language::EmbeddedOptions options = configuration.embedded;
  if (options.path.empty()) options.path = kDefaultLanguageModel;
  TRY(options.path, find_model_path(options.path, configuration.home, "language.embedded.path"));
  TRY(auto embedded, language::EmbeddedModel::load(options));
  return embedded;
}

Result<std::unique_ptr<language::TextEmbedder>> load_embedder(const Configuration& configuration) {
  language::EmbedderOptions options = configuration.embedding;
  if (options.path.empty()) options.path = kDefaultEmbeddingModel;
  TRY(options.path, find_model_path(options.path, configuration.home, "language.embedding.path"));
  TRY(auto embedder, language::LlamaEmbedder::load(options));
  return embedder;
}

// The demo's files, which scripts/setup unpacks beside the build's folder as it does the models; ""
// where they are not.
std::filesystem::path demo_folder() {
  std::error_code fault;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", fault);
  if (fault) return {};
  const auto folder = program.parent_path().parent_path() / "deps" / "ml-100k";
  return std::filesystem::exists(folder / "ml-100k.inter", fault) ? folder
                                                                  : std::filesystem::path();
}

engine::CuratorPaths curator_paths(const Configuration& configuration, bool demo) {
  const std::filesystem::path home(configuration.home);
  return {.datasets = home / "datasets",
          .retrievers = home / "retrievers",
          .rankers = home / "rankers",
          .demo = demo ? demo_folder() : std::filesystem::path()};
}

}  // namespace

Recommendations::Recommendations(const Configuration& configuration, State& state,
                                 language::EmbeddedModel* language_model, bool demo)
    : curator(configuration.recommend, curator_paths(configuration, demo), *state.store, catalogues,
              language_model, state.clock),
      recommender(configuration.recommend,
                  static_cast<profile::Degree>(configuration.engine.default_degree), *state.store,
                  *state.keys, catalogues, attribution, state.clock, state.random),
      interactions(*state.store, *state.users, catalogues, attribution,
                   static_cast<profile::Degree>(configuration.engine.default_degree), state.clock,
                   state.random) {}

void Configuration::describe(base::OptionSet& set) {
  server.describe(set);
  set.add("language.backend", backend,
          "\"embedded\" (in this process) or \"remote\" (an OpenAI-compatible server)");
  embedded.describe(set);
  remote.describe(set);
  set.add("language.embedding.enabled", embedding_enabled,
          "load the embedding model and serve /v1/embeddings");
  embedding.describe(set);
  engine.describe(set);
  recommend.describe(set);
  set.add("store.synchronous", synchronous,
          "\"normal\": a killed process loses nothing; \"full\": a power cut neither, for ≈ 4 ms a "
          "turn");
}

Result<void> load_configuration(const Context& context, Configuration& configuration,
                                base::OptionSet& set) {
  configuration.home = context.home;
  configuration.describe(set);
  std::string file = context.config;
  if (file.empty()) {
    const std::string usual = (std::filesystem::path(context.home) / "rapport.toml").string();
    if (std::filesystem::exists(usual)) file = usual;
  }
  if (!file.empty()) TRY_VOID(set.load_file(file));
  TRY_VOID(set.load_environment(base::environment()));
  for (const std::string& assignment : context.assignments) {
    const std::size_t equals = assignment.find('=');
    if (equals == std::string::npos) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("--set {}: expected KEY=VALUE, as in --set engine.default_degree=2",
                              assignment));
    }
    TRY_VOID(set.assign(assignment.substr(0, equals), assignment.substr(equals + 1), "--set"));
  }
  if (context.threads > 0) {
    TRY_VOID(set.assign("language.embedded.threads", std::to_string(context.threads), "--threads"));
    TRY_VOID(
        set.assign("language.embedding.threads", std::to_string(context.threads), "--threads"));
  }
  const std::vector<std::string> domains = engine::recommendation_domains();
  if (auto kind = retrieval::find_retriever_kind(configuration.recommend.model); !kind)
    return fail(ErrorCode::kInvalidArgument, "recommend.model: " + kind.error().message,
                "recommend.model");
  for (const std::string& model : configuration.recommend.beside) {
    if (auto kind = retrieval::find_retriever_kind(model); !kind)
      return fail(ErrorCode::kInvalidArgument, "recommend.beside: " + kind.error().message,
                  "recommend.beside");
  }
  if (const std::string& domain = configuration.recommend.domain;
      !domain.empty() && std::find(domains.begin(), domains.end(), domain) == domains.end()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("recommend.domain is \"{}\": it must be one of {}, or empty", domain,
                            fmt::join(domains, ", ")),
                "recommend.domain");
  }
  if (configuration.backend != "embedded" && configuration.backend != "remote") {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("language.backend is \"{}\": it must be \"embedded\" or \"remote\"",
                            configuration.backend),
                "language.backend");
  }
  if (configuration.synchronous != "normal" && configuration.synchronous != "full") {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("store.synchronous is \"{}\": it must be \"normal\" or \"full\"",
                            configuration.synchronous),
                "store.synchronous");
  }
  return {};
}

Result<std::unique_ptr<State>> State::open(const Configuration& configuration) {
  auto state = std::make_unique<State>();
  TRY(auto home,
      store::HomeStore::open(configuration.home,
                             {.synchronous = configuration.synchronous, .sources = key_sources()},
                             state->clock, state->random));
  state->keys = std::move(home.keys);
  state->user_keys = std::move(home.user_keys);
  state->store = std::move(home.store);
  state->users =
      std::make_unique<engine::Users>(*state->store, *state->keys, state->clock, state->random);
  state->personal = engine::personal_data_of(configuration.home);
  state->eraser = std::make_unique<engine::Eraser>(
      *state->store, *state->user_keys, state->personal, configuration.home, state->clock);
  state->archives = std::make_unique<engine::Archives>(*state->store, *state->users,
                                                       state->personal, state->clock);
  state->importer = std::make_unique<engine::ConversationImporter>(
      *state->store, *state->users,
      static_cast<profile::Degree>(configuration.engine.default_degree), state->random);
  // What holds it up (another program that reads the log) must not keep all others from being
  // served: of who is being erased nothing can be read any more.
  if (const auto completed = state->eraser->complete(); !completed) {
    base::log_warning("an erasure is not finished yet", {{"error", completed.error().message}});
  }
  return state;
}

Result<std::unique_ptr<Models>> Models::load(const Configuration& configuration, State& state,
                                             bool with_embedder) {
  auto models = std::make_unique<Models>();
  TRY(models->language, load_language_model(configuration, state, models->http));
  if (!with_embedder || !configuration.embedding_enabled) {
    models->embedder_error =
        "the embedding model is switched off: set language.embedding.enabled = true";
    return models;
  }
  if (auto embedder = load_embedder(configuration)) {
    models->embedder = *std::move(embedder);
  } else {
    // Chat works without it: say so, and go on.
    models->embedder_error = embedder.error().message;
    base::log_warning("no embedding model", {{"error", models->embedder_error}});
  }
  return models;
}

language::EmbeddedModel* Models::embedded() const {
  return dynamic_cast<language::EmbeddedModel*>(language.get());
}

store::MasterKeySources key_sources() {
  store::MasterKeySources sources = store::master_key_sources();
  if (isatty(STDIN_FILENO) == 1) sources.ask = ask_secret;
  return sources;
}

Result<std::unique_ptr<State>> open_state(const Context& context) {
  Configuration configuration;
  base::OptionSet set;
  TRY_VOID(load_configuration(context, configuration, set));
  return State::open(configuration);
}

}  // namespace rapport::cli
