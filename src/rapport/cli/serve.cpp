#include <fmt/format.h>

#include <condition_variable>
#include <iostream>
#include <mutex>
#include <optional>

#include "rapport/base/log.h"
#include "rapport/cli/application.h"
#include "rapport/cli/command_line.h"
#include "rapport/cli/signals.h"
#include "rapport/cli/version.h"
#include "rapport/engine/erasure_watch.h"
#include "rapport/server/server.h"

namespace rapport::cli {
namespace {

void print_what_to_try(Context& context, const server::Server& server, const Models& models) {
  const auto infos = models.language->models();
  if (context.json) {
    print_json(context,
               {{"url", server.url()},
                {"model", infos.empty() ? "" : infos.front().id},
                {"embedding_model", models.embedder ? Json(models.embedder->id()) : Json()},
                {"home", context.home}});
    context.out.flush();
    return;
  }
  context.out << fmt::format(
      "\nRapport {} is ready: {}\n\n"
      "  Open that address in a browser, or point any OpenAI client at {}/v1 and name the user:\n\n"
      "  curl -s {}/v1/chat/completions -H 'content-type: application/json' \\\n"
      "    -d '{{\"model\": \"default\", \"user\": \"sam\",\n"
      "         \"messages\": [{{\"role\": \"user\", \"content\": \"I'\\''m vegetarian, by the "
      "way.\"}}]}}'\n\n"
      "  Then ask \"What should I cook tonight?\" as sam, and as kim.\n\n"
      "  model {}   data in {}   Ctrl-C stops\n\n",
      kVersion, server.url(), server.url(), server.url(), infos.empty() ? "" : infos.front().id,
      context.home);
  context.out.flush();
}

struct ServeOptions {
  std::string listen;
  bool no_demo = false;
};

Result<void> serve(Context& context, const ServeOptions& options) {
  if (context.log_level.empty() && !context.quiet) {
    TRY(const base::LogFormat format,
        base::parse_log_format(context.log_format.empty() ? "human" : context.log_format));
    base::set_up_logging(base::LogLevel::kInfo, format);
  }
  std::mutex mutex;
  std::condition_variable stopped;
  int signals = 0;
  const SignalWatch watch([&](int) {
    const std::lock_guard lock(mutex);
    ++signals;
    stopped.notify_all();
  });

  Configuration configuration;
  base::OptionSet set;
  TRY_VOID(load_configuration(context, configuration, set));
  if (!options.listen.empty()) {
    TRY_VOID(set.assign("server.listen", options.listen, "--listen"));
  }
  // Before the model is loaded, which takes a while.
  TRY_VOID(server::check(configuration.server));
  TRY(auto state, State::open(configuration));
  TRY(auto models, Models::load(configuration, *state, true));
  Recommendations recommendations(configuration, *state, models->embedded(), !options.no_demo);
  engine::Responder responder(configuration.engine, *state->store, *state->keys, *models->language,
                              state->clock, state->random, &recommendations.recommender);
  state->personal.add(engine::attribution_kind(recommendations.attribution));
  state->personal.add(engine::prompt_cache_kind(*models->language));
  const engine::ErasureWatch erasures(*state->user_keys, *state->eraser);
  TRY(auto server,
      server::Server::start(configuration.server, {.store = *state->store,
                                                   .keys = *state->keys,
                                                   .responder = responder,
                                                   .users = *state->users,
                                                   .catalogues = recommendations.catalogues,
                                                   .recommender = recommendations.recommender,
                                                   .interactions = recommendations.interactions,
                                                   .eraser = *state->eraser,
                                                   .archives = *state->archives,
                                                   .importer = *state->importer,
                                                   .model = *models->language,
                                                   .embedder = models->embedder.get(),
                                                   .clock = state->clock,
                                                   .random = state->random,
                                                   .version = kVersion}));
  recommendations.curator.start();
  // A runner of its own: a training takes minutes, which the jobs of chats must not wait for.
  std::optional<engine::JobRunner> trainings;
  trainings.emplace(*state->store, state->clock, recommendations.curator.work());
  print_what_to_try(context, *server, *models);
  {
    std::unique_lock lock(mutex);
    stopped.wait(lock, [&] { return signals > 0; });
  }
  base::log_info("stopping: running requests may finish");
  server->shutdown();
  responder.shutdown();
  trainings.reset();  // at its next checkpoint; the next start goes on from there
  return {};
}

}  // namespace

void add_serve(CommandLine& line) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command =
      line.add("serve", "start the server", "rapport serve --listen 127.0.0.1:8080");
  command->add_option("--listen", options->listen,
                      "address:port (port 0: any free one); anything but loopback needs API keys");
  command->add_flag("--no-demo", options->no_demo,
                    "do not recommend from the demo's data set when none is configured");
  line.run(command, [options](Context& context) { return serve(context, *options); });
}

}  // namespace rapport::cli
