#include "rapport/engine/conversation_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <unordered_set>

#include "rapport/base/digest.h"
#include "rapport/base/json_stream.h"
#include "rapport/base/zip.h"
#include "rapport/engine/archive.h"
#include "rapport/engine/exported_conversation.h"
#include "rapport/engine/steps.h"
#include "rapport/profile/facts.h"

namespace rapport::engine {
namespace {

constexpr const char* kFile = "conversations.json";

/// "turn_" and as many characters as a random id has, the same for the same parts.
std::string derived_id(std::string_view prefix, const store::UserId& user,
                       std::initializer_list<std::string_view> parts) {
  std::string bytes = user;
  for (const std::string_view part : parts) bytes.append(1, '\0').append(part);
  return std::string(prefix) + base::digest(bytes).substr(0, 26);
}

/// An import under way: what a conversation is held against.
struct Importing {
  store::Store& store;
  base::Random& random;
  ConversationFormat format;
  store::UserId user;
  store::ErasureMark as_of;
  Permit permit;
  std::vector<store::Fact> active;  // facts
  ImportedConversations done;
};

Result<std::unordered_set<std::string>> known_turns(store::Store& store, const store::UserId& user,
                                                    const std::string& conversation,
                                                    std::int64_t& next_index) {
  std::unordered_set<std::string> ids;
  for (store::Page page{1000, 0};; page.offset += page.limit) {
    const auto turns = store.turns(user, conversation, page);
    if (!turns && turns.error().code == ErrorCode::kNotFound) return ids;
    if (!turns) return fail(turns.error());
    for (const store::Turn& turn : *turns) {
      ids.insert(turn.id);
      next_index = std::max(next_index, turn.index + 1);
    }
    if (turns->size() < static_cast<std::size_t>(page.limit)) return ids;
  }
}

/// Files come in no order of time: what was said long ago does not supersede what is known since.
void learn_facts(Importing& importing, const store::Turn& turn, const std::string& text,
                 std::vector<store::Fact>& learned) {
  std::vector<profile::Statement> said = profile::find_statements(text);
  std::erase_if(said, [&](const profile::Statement& statement) {
    return std::ranges::any_of(importing.active, [&](const store::Fact& fact) {
      return fact.attribute == statement.attribute && fact.valid_from > turn.created;
    });
  });
  for (store::Fact& fact : profile::reconcile(importing.active, said, {importing.user, turn.id, ""},
                                              turn.created, importing.random)) {
    std::erase_if(importing.active, [&](const store::Fact& old) { return old.id == fact.id; });
    if (fact.status == store::FactStatus::kActive) {
      importing.active.push_back(fact);
      ++importing.done.facts;
    }
    std::erase_if(learned, [&](const store::Fact& old) { return old.id == fact.id; });
    learned.push_back(std::move(fact));
  }
}

Result<void> keep(Importing& importing, const ExportedConversation& read) {
  if (read.messages.empty()) return {};
  const std::string_view format = name(importing.format);
  store::Exchange exchange;
  exchange.as_of = importing.as_of;
  store::Conversation& conversation = exchange.conversation;
  conversation = {.id = derived_id("conv_", importing.user, {format, read.id}),
                  .user = importing.user,
                  .name = read.title,
                  .created = read.created};
  std::int64_t index = 0;
  TRY(const auto known, known_turns(importing.store, importing.user, conversation.id, index));
  std::vector<store::Turn> all;  // as a client would send them
  for (const ExportedMessage& message : read.messages) {
    store::Turn turn{
        .id = derived_id("turn_", importing.user, {format, read.id, message.id}),
        .conversation = conversation.id,
        .user = importing.user,
        .index = static_cast<std::int64_t>(all.size()),
        .role = message.role,
        .content = base::dump_json(language::ChatMessage::text(message.role, message.text).json),
        .created = message.created};
    all.push_back(turn);
    if (known.contains(turn.id)) continue;
    turn.index = index++;
    if (importing.permit.profile() && turn.role == "user") {
      learn_facts(importing, turn, message.text, exchange.facts);
    }
    exchange.turns.push_back(std::move(turn));
  }
  ++importing.done.conversations;
  if (exchange.turns.empty()) return {};
  conversation.turns = static_cast<std::int64_t>(known.size() + exchange.turns.size());
  exchange.prefix_hashes = prefix_hashes(importing.user, all);
  TRY_VOID(importing.store.record_exchange(exchange));
  if (known.empty()) ++importing.done.begun;
  importing.done.turns += static_cast<std::int64_t>(exchange.turns.size());
  return {};
}

}  // namespace

std::string_view name(ConversationFormat format) {
  return format == ConversationFormat::kChatGpt ? "chatgpt" : "claude";
}

Result<ConversationFormat> parse_conversation_format(std::string_view text) {
  if (text == "chatgpt") return ConversationFormat::kChatGpt;
  if (text == "claude") return ConversationFormat::kClaude;
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("\"{}\" is no format of conversations: use chatgpt, claude or rapport", text),
      "format");
}

ConversationImporter::ConversationImporter(store::Store& store, const Users& users,
                                           profile::Degree default_degree, base::Random& random)
    : store_(store), users_(users), default_degree_(default_degree), random_(random) {}

Result<ImportedConversations> ConversationImporter::import(const std::string& app,
                                                           const std::string& user_name,
                                                           ConversationFormat format,
                                                           std::istream& stream) {
  TRY(const store::ErasureMark as_of, store_.erasure_mark());
  TRY(const store::UserId user, users_.id(app, user_name));
  TRY(const Json stored, store_.settings(user));
  TRY(const profile::Settings settings, profile::parse_settings(stored));
  const Permit permitted =
      permit({app, user_name, user, "user"}, settings, std::nullopt, default_degree_);
  if (!permitted.keep_turns()) {
    return fail(ErrorCode::kConflict,
                "at degree 0 no conversation is kept of this user: raise the degree first", "user");
  }
  Importing importing{store_, random_, format, user, as_of, permitted, {}, {}};
  if (permitted.profile()) {
    auto facts = store_.facts(user, false);
    if (!facts && facts.error().code != ErrorCode::kNotFound) return fail(facts.error());
    if (facts) importing.active = *std::move(facts);
  }
  bool known = false;
  const auto take = [&](Json element, std::int64_t index) -> Result<void> {
    const auto read =
        format == ConversationFormat::kChatGpt ? read_chatgpt(element) : read_claude(element);
    if (!read) {
      Error error = read.error();
      error.message = fmt::format("conversation {}: {}", index + 1, error.message);
      return fail(std::move(error));
    }
    // A file that is wrong from its beginning makes nobody known.
    if (!known && !read->messages.empty()) {
      TRY_VOID(store_.ensure_user(user, app, user_name, as_of));
      known = true;
    }
    return keep(importing, *read);
  };
  TRY_VOID(base::read_json_array(stream, kFile, {}, take));
  return importing.done;
}

Result<ImportedConversations> ConversationImporter::import(const std::string& app,
                                                           const std::string& user_name,
                                                           ConversationFormat format,
                                                           std::string_view bytes) {
  if (base::is_zip(bytes)) {
    TRY(const auto file, base::open_in_zip_bytes(bytes, kFile));
    return import(app, user_name, format, *file);
  }
  std::istringstream file{std::string(bytes)};
  return import(app, user_name, format, file);
}

}  // namespace rapport::engine
