#include <fmt/format.h>

#include <condition_variable>
#include <iostream>
#include <mutex>

#include "rapport/base/log.h"
#include "rapport/cli/application.h"
#include "rapport/cli/command_line.h"
#include "rapport/cli/signals.h"
#include "rapport/cli/version.h"
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

Result<void> serve(Context& context, const std::string& listen) {
  if (context.log_level.empty() && !context.quiet) {
    TRY(const base::LogFormat format,
        base::parse_log_format(context.log_format.empty() ? "human" : context.log_format));
    base::set_up_logging(base::LogLevel::kInfo, format);
  }
  // Before any thread starts, so that all of them leave the signals to it.
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
  if (!listen.empty()) TRY_VOID(set.assign("server.listen", listen, "--listen"));
  // Before the model is loaded, which takes a while.
  TRY_VOID(server::check(configuration.server));
  TRY(auto state, State::open(configuration));
  TRY(auto models, Models::load(configuration, *state, true));
  engine::Responder responder(configuration.engine, *state->store, *state->keys, *models->language,
                              state->clock, state->random);
  TRY(auto server, server::Server::start(configuration.server, {.store = *state->store,
                                                                .responder = responder,
                                                                .users = *state->users,
                                                                .model = *models->language,
                                                                .embedder = models->embedder.get(),
                                                                .clock = state->clock,
                                                                .random = state->random,
                                                                .version = kVersion}));
  print_what_to_try(context, *server, *models);
  {
    std::unique_lock lock(mutex);
    stopped.wait(lock, [&] { return signals > 0; });
  }
  base::log_info("stopping: running requests may finish");
  server->shutdown();
  responder.shutdown();
  return {};
}

}  // namespace

void add_serve(CommandLine& line) {
  auto listen = std::make_shared<std::string>();
  CLI::App* command =
      line.add("serve", "start the server", "rapport serve --listen 127.0.0.1:8080");
  command->add_option("--listen", *listen,
                      "address:port (port 0: any free one); anything but loopback needs API keys");
  line.run(command, [listen](Context& context) { return serve(context, *listen); });
}

}  // namespace rapport::cli
