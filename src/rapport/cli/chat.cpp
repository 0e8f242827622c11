#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <mutex>

#include "rapport/base/text.h"
#include "rapport/cli/application.h"
#include "rapport/cli/command_line.h"
#include "rapport/cli/signals.h"
#include "rapport/profile/facts.h"

namespace rapport::cli {
namespace {

constexpr std::string_view kHelp =
    "  /why             what the last answer rests on\n"
    "  /facts           what is known of you\n"
    "  /forget FACT     forget one of them\n"
    "  /rate 1-5        rate the last answer\n"
    "  /generic         switch personalisation off, and on again\n"
    "  /quit            end (or Ctrl-D); Ctrl-C stops an answer\n";

struct ChatOptions {
  std::string user;
  std::string app = "default";
  bool generic = false;
};

// One conversation in the terminal. With --json it reads lines and writes one line of JSON for
// each.
class Chat {
 public:
  Chat(Context& context, const ChatOptions& options, State& state, engine::Responder& responder)
      : context_(context),
        options_(options),
        state_(state),
        responder_(responder),
        generic_(options.generic) {}

  Result<void> run();
  void stop_answer() {
    const std::lock_guard lock(mutex_);
    stop_.request_stop();
  }

 private:
  Result<void> answer(const std::string& text);
  Result<void> command(const std::string& line);
  /// What a command says: `json` with --json, `text` otherwise.
  void say(const std::string& text, const Json& json);
  Result<void> why();
  Result<void> facts();

  Context& context_;
  const ChatOptions& options_;
  State& state_;
  engine::Responder& responder_;
  bool generic_;
  std::vector<language::ChatMessage> messages_;
  std::string conversation_;
  std::string last_response_;
  std::mutex mutex_;
  std::stop_source stop_;
};

Result<void> Chat::run() {
  const bool terminal = !context_.json && isatty(STDIN_FILENO) == 1;
  if (terminal) context_.out << "/help lists the commands.\n";
  for (std::string line;;) {
    if (terminal) context_.out << (generic_ ? "\n[generic] > " : "\n> ") << std::flush;
    SignalWatch::let_signals_end_us(true);
    const bool more = static_cast<bool>(std::getline(context_.in, line));
    SignalWatch::let_signals_end_us(false);
    if (!more) return {};
    const std::string text(base::trim(line));
    if (text.empty()) continue;
    if (text == "/quit" || text == "/exit") return {};
    const Result<void> done = text.front() == '/' ? command(text) : answer(text);
    // One failed line does not end a conversation between people; a script wants to know.
    if (done) continue;
    if (!terminal) return done;
    context_.err << done.error().message << '\n';
  }
}

Result<void> Chat::answer(const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    stop_ = std::stop_source();
  }
  engine::ChatRequest request;
  request.caller.app = options_.app;
  request.caller.body_user = options_.user;
  if (generic_) request.degree = profile::Degree::kGeneric;
  request.conversation = conversation_;
  request.generate.messages = messages_;
  request.generate.messages.push_back(language::ChatMessage::text("user", text));
  const auto print = [this](std::int64_t, const language::Delta& delta) {
    if (!context_.json) context_.out << delta.text << std::flush;
  };
  TRY(const engine::Answer done,
      engine::respond_and_wait(responder_, std::move(request), print, stop_.get_token()));
  const language::Completion& completion = done.choices.front();
  if (context_.json) {
    context_.out << base::dump_json(
                        {{"id", done.id},
                         {"conversation",
                          done.conversation.empty() ? Json() : Json(done.conversation)},
                         {"text", completion.text},
                         {"finish_reason", std::string(language::name(completion.finish_reason))},
                         {"degree", static_cast<int>(done.degree)}})
                 << std::endl;
  } else {
    context_.out << '\n';
  }
  messages_.push_back(language::ChatMessage::text("user", text));
  messages_.push_back(language::ChatMessage::text("assistant", completion.text));
  last_response_ = done.id;
  if (!done.conversation.empty()) conversation_ = done.conversation;
  return {};
}

Result<void> Chat::command(const std::string& line) {
  const std::size_t space = line.find(' ');
  const std::string name = line.substr(0, space);
  const std::string argument = space == std::string::npos
                                   ? ""
                                   : std::string(base::trim(std::string_view(line).substr(space)));
  if (name == "/help") {
    say(std::string(kHelp), {{"help", kHelp}});
    return {};
  }
  if (name == "/why") return why();
  if (name == "/facts") return facts();
  if (name == "/forget") {
    TRY_VOID(state_.users->forget_fact(options_.app, options_.user, argument));
    say("forgotten\n", {{"id", argument}, {"forgotten", true}});
    return {};
  }
  if (name == "/rate") {
    Json feedback = {{"response_id", last_response_}};
    feedback["rating"] = argument.size() == 1 && argument[0] >= '1' && argument[0] <= '5'
                             ? Json(argument[0] - '0')
                             : Json(argument);
    TRY_VOID(state_.users->add_feedback(options_.app, options_.user, feedback));
    say("noted\n", {{"response_id", last_response_}, {"rating", feedback["rating"]}});
    return {};
  }
  if (name == "/generic") {
    generic_ = !generic_;
    say(generic_ ? "the next answers are generic\n" : "the next answers are personal\n",
        {{"generic", generic_}});
    return {};
  }
  const std::string near =
      base::nearest(name, {"/help", "/why", "/facts", "/forget", "/rate", "/generic", "/quit"});
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("no command {}{}", name,
                  near.empty() ? "; /help lists them" : fmt::format(": did you mean {}?", near)));
}

Result<void> Chat::why() {
  if (last_response_.empty()) {
    say("nothing was answered yet\n", nullptr);
    return {};
  }
  TRY(const store::TraceRecord trace, state_.store->trace(last_response_));
  if (context_.json) {
    say("", trace.data);
    return {};
  }
  context_.out << trace.data.value("summary", "") << '\n';
  for (const Json& fact : trace.data["used"]["facts"]) {
    context_.out << fmt::format("  fact     {}  ({}, since {})\n", fact.value("text", ""),
                                fact.value("source", ""), fact.value("since", ""));
  }
  for (const auto& [key, value] : trace.data["used"]["settings"].items()) {
    context_.out << fmt::format("  setting  {} = {}\n", key, value.get<std::string>());
  }
  for (const Json& left : trace.data["left_out"]) {
    context_.out << fmt::format("  left out {}: {}\n", left.value("what", ""),
                                left.value("why", ""));
  }
  context_.out << fmt::format("  degree   {} ({})\n", trace.data.value("degree", 0),
                              trace.data.value("degree_reason", ""));
  return {};
}

Result<void> Chat::facts() {
  TRY(const auto facts, state_.users->facts(options_.app, options_.user, false));
  std::string text = facts.empty() ? "  nothing yet\n" : "";
  Json json = Json::array();
  for (const store::Fact& fact : facts) {
    text += fmt::format("  {}  {}\n", fact.id, fact.text);
    json.push_back(profile::to_json(fact));
  }
  say(text, {{"facts", std::move(json)}});
  return {};
}

void Chat::say(const std::string& text, const Json& json) {
  if (context_.json) {
    context_.out << base::dump_json(json) << std::endl;
  } else {
    context_.out << text;
  }
}

Result<void> chat(Context& context, const ChatOptions& options) {
  std::mutex mutex;
  Chat* running = nullptr;
  const SignalWatch watch([&](int) {
    const std::lock_guard lock(mutex);
    if (running != nullptr) running->stop_answer();
  });
  Configuration configuration;
  base::OptionSet set;
  TRY_VOID(load_configuration(context, configuration, set));
  TRY(auto state, State::open(configuration));
  TRY(auto models, Models::load(configuration, *state, false));
  Recommendations recommendations(configuration, *state, models->embedded(), true);
  recommendations.curator.open();
  engine::Responder responder(configuration.engine, *state->store, *state->keys, *models->language,
                              state->clock, state->random, &recommendations.recommender);
  Chat conversation(context, options, *state, responder);
  {
    const std::lock_guard lock(mutex);
    running = &conversation;
  }
  const Result<void> done = conversation.run();
  const std::lock_guard lock(mutex);
  running = nullptr;
  return done;
}

}  // namespace

void add_chat(CommandLine& line) {
  auto options = std::make_shared<ChatOptions>();
  const char* login = std::getenv("USER");
  options->user = login != nullptr && *login != 0 ? login : "me";
  CLI::App* command = line.add(
      "chat", "talk in the terminal, with /why, /facts, /forget, /rate and /generic inside",
      "rapport chat --user sam");
  command->add_option("--user", options->user, "who is talking")->capture_default_str();
  command->add_option("--app", options->app, "application")->capture_default_str();
  command->add_flag("--generic", options->generic, "begin without personalisation");
  line.run(command, [options](Context& context) { return chat(context, *options); });
}

}  // namespace rapport::cli
