#include "rapport/engine/learn.h"
#include "rapport/engine/steps.h"
#include "rapport/profile/settings.h"

namespace rapport::engine {
namespace {

store::Turn reply_turn(const Trace& trace, const language::Completion& completion,
                       store::Conversation& conversation, base::UnixMillis now,
                       base::Random& random) {
  language::ChatMessage message = language::ChatMessage::text("assistant", completion.text);
  if (!completion.tool_calls.is_null()) message.json["tool_calls"] = completion.tool_calls;
  store::Turn turn;
  turn.id = random.id("turn_");
  turn.conversation = conversation.id;
  turn.user = trace.who.user;
  turn.index = conversation.turns++;
  turn.role = "assistant";
  turn.content = base::dump_json(message.json);
  turn.response_id = trace.response_id;
  turn.created = now;
  return turn;
}

}  // namespace

store::Exchange record(const Trace& trace, const Place& place, base::UnixMillis now,
                       base::Random& random) {
  store::Exchange exchange;
  exchange.trace = store::TraceRecord{trace.response_id, trace.who.user, trace.conversation,
                                      explanation(trace), trace.created};
  exchange.as_of = trace.as_of;
  if (!trace.permit.keep_turns()) return exchange;

  exchange.conversation = place.conversation;
  exchange.conversation.updated = now;
  exchange.turns = place.turns;
  exchange.prefix_hashes = place.hashes;
  for (const language::Completion& completion : trace.completions) {
    exchange.turns.push_back(reply_turn(trace, completion, exchange.conversation, now, random));
    // A client may go on from any of `n` choices.
    exchange.prefix_hashes.push_back(
        extend_hash(place.last_hash, {Json::parse(exchange.turns.back().content)}));
  }
  if (!trace.recalled.settings_changed.empty()) {
    exchange.settings = [said = trace.recalled.said](const Json& stored) -> Result<Json> {
      TRY(const profile::Settings current, profile::parse_settings(stored));
      return profile::to_json(with_statements(current, said));
    };
  }
  exchange.facts = trace.recalled.learned;
  exchange.exposure =
      store::Exposure{trace.response_id, trace.who.user,          trace.choice.policy,
                      trace.choice.arm,  trace.choice.propensity, trace.created};
  if (auto job = learn(trace, place, now, random)) exchange.jobs.push_back(*std::move(job));
  return exchange;
}

}  // namespace rapport::engine
