// The steps of a chat request, one function each; respond.cpp calls them in order. Pure but for the
// store they are given.
#pragma once

#include <string>
#include <vector>

#include "rapport/base/random.h"
#include "rapport/engine/respond.h"
#include "rapport/engine/trace.h"

namespace rapport::engine {

/// Step 1. The strongest name the surroundings give; none is anonymous. Errors: kInvalidArgument
/// for a name that is not UTF-8 or over 512 bytes.
Result<Identity> identify(const Caller& caller, const store::KeyRing& keys);

/// Step 2. The user's own degree (or `by_default`), lowered by the request's; anonymous requests
/// are generic.
Permit permit(const Identity& who, const profile::Settings& settings,
              std::optional<profile::Degree> requested, profile::Degree by_default);

/// Where a request belongs in the conversation log, and which of its messages are new to it.
struct Place {
  store::Conversation conversation;  // as it will be after this request; its id may be new
  std::vector<store::Turn> turns;    // the new messages, ids and indexes set
  std::vector<std::string> hashes;   // of the message prefixes after each new message
  std::string last_hash;             // of all messages of the request
};

/// Finds or begins the conversation. System messages are not part of the log. Errors: kNotFound for
/// a previous_response_id that is not this user's.
Result<Place> place(const ChatRequest& request, const store::UserId& user, store::Store& store,
                    base::UnixMillis now, base::Random& random);
/// The hash of a prefix that goes on with `message`.
std::string extend_hash(const std::string& prefix, const language::ChatMessage& message);

/// Step 3. Settings and facts that may be used, after what the user says in this request's new
/// messages.
Result<Recalled> recall(const Permit& permit, const ChatRequest& request, const Place& place,
                        const profile::Settings& settings, store::Store& store,
                        const EngineOptions& options, base::UnixMillis now, base::Random& random,
                        std::vector<LeftOut>& left_out);

/// `settings` after what was said; names of the fields that are other now go to `changed`.
profile::Settings with_statements(profile::Settings settings,
                                  const std::vector<profile::Statement>& said,
                                  std::vector<std::string>* changed = nullptr);

/// Step 4. The style this answer gets; so far what the user set, with certainty.
Choice decide(const Permit& permit, const Recalled& recalled);

/// Step 5. The messages that go to the model. At degree 0 they are the application's own,
/// untouched. Otherwise the personal block joins the system message, and the oldest turns go when
/// the context would overflow. Errors: kInvalidArgument with reason "context_length_exceeded" when
/// not even the last message fits.
Result<Prompt> compose(const Permit& permit, const ChatRequest& request, const Recalled& recalled,
                       const Choice& choice, const language::LanguageModel& model,
                       const EngineOptions& options, std::vector<LeftOut>& left_out);
/// The marks around facts in the prompt, which must never leave in an answer.
std::vector<std::string> fence_marks();

/// Step 8. All that the finished trace leaves behind, for one transaction.
store::Exchange record(const Trace& trace, const Place& place, base::UnixMillis now,
                       base::Random& random);

}  // namespace rapport::engine
