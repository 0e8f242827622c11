// Conversations that a user had elsewhere, from what ChatGPT and Claude export, into their log
// here.
//
//   ConversationImporter importer(store, users, degree, random);
//   TRY(const auto done, importer.import("default", "sam", ConversationFormat::kChatGpt, file));
//
// Read as a stream, a conversation at a time, each recorded in one transaction: a file of any size
// takes the memory of its largest conversation. Ids follow from theirs, so that the same file
// again, or a later one, adds only what is new. What the user said of themselves is learnt as it is
// from a chat; what an assistant said is not.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/random.h"
#include "rapport/engine/users.h"
#include "rapport/profile/settings.h"
#include "rapport/store/store.h"

namespace rapport::engine {

enum class ConversationFormat { kChatGpt, kClaude };
std::string_view name(ConversationFormat format);
Result<ConversationFormat> parse_conversation_format(std::string_view text);

struct ImportedConversations {
  std::int64_t conversations = 0;  // read, with at least one message
  std::int64_t begun = 0;          // of them new here
  std::int64_t turns = 0;          // new
  std::int64_t facts = 0;          // new
};

/// Thread-safe; calls block on disk. The arguments must outlive it.
class ConversationImporter {
 public:
  ConversationImporter(store::Store& store, const Users& users, profile::Degree default_degree,
                       base::Random& random);

  /// `stream` is a conversations.json. Of an error what came before it is imported, and imported
  /// once when it is done again. Errors: kInvalidArgument "conversations.json: conversation 17:
  /// …", kTooLarge for one of more than 64 MiB, kConflict for a user whose degree is 0.
  Result<ImportedConversations> import(const std::string& app, const std::string& name,
                                       ConversationFormat format, std::istream& stream);
  /// The same of bytes: a conversations.json, or the archive it came in.
  Result<ImportedConversations> import(const std::string& app, const std::string& name,
                                       ConversationFormat format, std::string_view bytes);

 private:
  store::Store& store_;
  const Users& users_;
  const profile::Degree default_degree_;
  base::Random& random_;
};

}  // namespace rapport::engine
