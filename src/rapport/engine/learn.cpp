#include "rapport/engine/learn.h"

#include <algorithm>

#include "rapport/base/text.h"

namespace rapport::engine {
namespace {

Json signals(const std::string& message, base::UnixMillis when) {
  return {{"words", base::words(message).size()},
          {"characters",
           std::ranges::count_if(message, [](char byte) { return (byte & 0xC0) != 0x80; })},
          {"question", message.find('?') != std::string::npos},
          {"hour", when / 3'600'000 % 24}};
}

}  // namespace

std::optional<store::Job> learn(const Trace& trace, const Place& place, base::UnixMillis now,
                                base::Random& random) {
  if (!trace.permit.profile()) return std::nullopt;
  Json turns = Json::array();
  for (const store::Turn& turn : place.turns) {
    if (turn.role == "user") turns.push_back({{"id", turn.id}, {"index", turn.index}});
  }
  if (turns.empty()) return std::nullopt;
  store::Job job;
  job.id = random.id("job_");
  job.kind = kObserveJob;
  job.user = trace.who.user;
  job.payload = {{"conversation", place.conversation.id},
                 {"response_id", trace.response_id},
                 {"turns", std::move(turns)}};
  job.not_before = now;
  job.created = now;
  job.updated = now;
  return job;
}

Result<void> observe_turns(const store::Job& job, store::Store& store) {
  const std::string conversation = job.payload.value("conversation", "");
  std::vector<store::Event> events;
  for (const Json& wanted : job.payload.value("turns", Json::array())) {
    const auto found =
        store.turns(job.user, conversation, {1, wanted.value("index", std::int64_t{0})});
    // The user may have deleted the conversation meanwhile: then there is nothing to learn.
    if (!found && found.error().code == ErrorCode::kNotFound) return {};
    if (!found) return fail(found.error());
    if (found->empty() || found->front().id != wanted.value("id", "")) continue;
    const store::Turn& turn = found->front();
    TRY(Json json, base::parse_json(turn.content, "turn " + turn.id));
    store::Event event;
    event.id = "evt_" + turn.id;
    event.user = job.user;
    event.kind = "signal.message";
    event.response_id = job.payload.value("response_id", "");
    event.data = signals(language::ChatMessage{std::move(json)}.content(), turn.created);
    event.created = turn.created;
    events.push_back(std::move(event));
  }
  if (events.empty()) return {};
  auto added = store.add_events(events);
  // Killed between writing the events and finishing the job: they are there already.
  if (!added && added.error().code == ErrorCode::kConflict) return {};
  return added;
}

}  // namespace rapport::engine
