#include "rapport/cli/import.h"

#include <fmt/format.h>

#include <fstream>
#include <iostream>

#include "rapport/base/zip.h"
#include "rapport/cli/application.h"

namespace rapport::cli {
namespace {

struct ImportOptions {
  std::string user, app = "default", format, file;
};

Result<engine::ImportedConversations> import_conversations(State& state,
                                                           const ImportOptions& options,
                                                           engine::ConversationFormat format) {
  std::ifstream file(options.file, std::ios::binary);
  std::string head(4, '\0');
  if (!file.read(head.data(), static_cast<std::streamsize>(head.size()))) {
    return fail(ErrorCode::kNotFound, fmt::format("cannot read {}: check the path", options.file),
                "PATH");
  }
  if (base::is_zip(head)) {
    TRY(const auto packed, base::open_in_zip(options.file, "conversations.json"));
    return state.importer->import(options.app, options.user, format, *packed);
  }
  file.seekg(0);
  return state.importer->import(options.app, options.user, format, file);
}

Result<void> import(Context& context, const ImportOptions& options) {
  if (options.format == "rapport") {
    return import_archive(context, options.file, options.app, options.user);
  }
  TRY(const engine::ConversationFormat format, engine::parse_conversation_format(options.format));
  TRY(auto state, open_state(context));
  TRY(const auto done, import_conversations(*state, options, format));
  if (context.json) {
    print_json(context, {{"user", options.user},
                         {"conversations", done.conversations},
                         {"new_conversations", done.begun},
                         {"turns", done.turns},
                         {"facts", done.facts}});
  } else {
    context.out << fmt::format(
        "{} conversations, {} of them new; {} new turns, {} facts from what {} said\n",
        done.conversations, done.begun, done.turns, done.facts, options.user);
  }
  return {};
}

}  // namespace

void add_import(CommandLine& line) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* command = line.add(
      "import", "bring in conversations that a user had elsewhere; only what is new is added",
      "rapport import --user sam --format chatgpt chatgpt-export.zip");
  command->add_option("--user", options->user, "the application's name of the user")->required();
  command->add_option("--app", options->app, "application")->capture_default_str();
  command->add_option("--format", options->format, "chatgpt, claude or rapport")->required();
  command->add_option("PATH", options->file, "the zip that was exported, or its conversations.json")
      ->required();
  line.run(command, [options](Context& context) { return import(context, *options); });
}

}  // namespace rapport::cli
