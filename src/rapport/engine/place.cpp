#include <algorithm>

#include "rapport/base/digest.h"
#include "rapport/base/text.h"
#include "rapport/engine/steps.h"

namespace rapport::engine {
namespace {

// A client that cut its history to a window still overlaps the log's end by this many turns or
// fewer.
constexpr std::int64_t kMaxOverlap = 200;
// Prefixes looked up, longest first: beyond it a conversation is found by its recent turns anyway.
constexpr std::size_t kMaxPrefixes = 256;

bool is_logged(const language::ChatMessage& message) {
  const std::string role = message.role();
  return role != "system" && role != "developer";
}

// What makes two messages the same turn. Clients add fields of their own ("refusal": null) and trim
// what they show, so only these count.
std::string essence(const language::ChatMessage& message) {
  std::string text = message.role() + '\x1f' + std::string(base::trim(message.content()));
  for (const char* key : {"tool_calls", "tool_call_id"}) {
    const auto found = message.json.find(key);
    if (found != message.json.end() && !found->is_null() && !found->empty()) {
      text += '\x1f' + base::dump_json(*found);
    }
  }
  return text;
}

Result<store::Conversation> begin_conversation(const store::UserId& user, const std::string& name,
                                               base::UnixMillis now, base::Random& random) {
  return store::Conversation{random.id("conv_"), user, name, 0, now, now};
}

// How many of the first messages are the log's last turns, as far as can be told from their
// content.
Result<std::size_t> overlap_with_log(const std::vector<language::ChatMessage>& messages,
                                     const store::Conversation& conversation, store::Store& store) {
  const std::int64_t offset = std::max<std::int64_t>(0, conversation.turns - kMaxOverlap);
  TRY(const std::vector<store::Turn> turns,
      store.turns(conversation.user, conversation.id, {kMaxOverlap, offset}));
  std::vector<std::string> logged, sent;
  for (const store::Turn& turn : turns) {
    TRY(Json json, base::parse_json(turn.content, "turn " + turn.id));
    logged.push_back(essence({std::move(json)}));
  }
  for (const language::ChatMessage& message : messages) sent.push_back(essence(message));
  for (std::size_t size = std::min(logged.size(), sent.size()); size > 0; --size) {
    if (std::equal(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(size),
                   logged.end() - static_cast<std::ptrdiff_t>(size))) {
      return size;
    }
  }
  return std::size_t{0};
}

struct Found {
  store::Conversation conversation;
  std::size_t logged = 0;  // messages of the request that the log has already
};

Result<Found> find(const ChatRequest& request, const store::UserId& user,
                   const std::vector<language::ChatMessage>& messages,
                   const std::vector<std::string>& hashes, store::Store& store,
                   base::UnixMillis now, base::Random& random) {
  std::optional<store::Conversation> named;
  if (!request.conversation.empty()) {
    TRY(named, store.conversation_by_name(user, request.conversation));
    if (!named) {
      // Our own id, as an earlier answer gave it in its header.
      if (auto by_id = store.conversation(user, request.conversation)) named = *std::move(by_id);
    }
    if (!named) {
      TRY(named, begin_conversation(user, request.conversation, now, random));
    }
  } else if (!request.previous_response_id.empty()) {
    TRY(named, store.conversation_by_response(user, request.previous_response_id));
    if (!named) {
      return fail(ErrorCode::kNotFound,
                  "previous_response_id \"" + request.previous_response_id +
                      "\" names no kept answer of this user: leave it out to begin a conversation",
                  "previous_response_id");
    }
  }

  // Longest first, so that the first hit is the closest. The last message is new by nature unless
  // it is asked again.
  for (std::size_t size = hashes.size(), tried = 0; size > 0 && tried < kMaxPrefixes;
       --size, ++tried) {
    TRY(const auto known, store.conversation_by_prefix(user, {hashes[size - 1]}));
    if (!known || (named && known->id != named->id)) continue;
    if (!named) return Found{*known, size};
    return Found{*named, size};
  }
  if (!named) {
    TRY(store::Conversation begun, begin_conversation(user, "", now, random));
    return Found{std::move(begun), 0};
  }
  TRY(const std::size_t overlap, named->turns == 0 ? Result<std::size_t>(std::size_t{0})
                                                   : overlap_with_log(messages, *named, store));
  return Found{*named, overlap};
}

}  // namespace

std::string extend_hash(const std::string& prefix, const language::ChatMessage& message) {
  return base::digest(prefix + '\x1e' + essence(message));
}

Result<Place> place(const ChatRequest& request, const store::UserId& user, store::Store& store,
                    base::UnixMillis now, base::Random& random) {
  std::vector<language::ChatMessage> messages;
  std::copy_if(request.generate.messages.begin(), request.generate.messages.end(),
               std::back_inserter(messages), is_logged);
  std::vector<std::string> hashes;
  std::string hash = base::digest(user);
  for (const language::ChatMessage& message : messages) {
    hash = extend_hash(hash, message);
    hashes.push_back(hash);
  }

  TRY(Found found, find(request, user, messages, hashes, store, now, random));
  Place result;
  result.conversation = std::move(found.conversation);
  result.last_hash = hash;
  for (std::size_t i = found.logged; i < messages.size(); ++i) {
    store::Turn turn;
    turn.id = random.id("turn_");
    turn.conversation = result.conversation.id;
    turn.user = user;
    turn.index = result.conversation.turns++;
    turn.role = messages[i].role();
    turn.content = base::dump_json(messages[i].json);
    turn.created = now;
    result.turns.push_back(std::move(turn));
    // Two conversations may begin with the same words ("Hello"), so a prefix of one message names
    // none.
    if (i > 0) result.hashes.push_back(hashes[i]);
  }
  result.conversation.updated = now;
  return result;
}

}  // namespace rapport::engine
