#include "rapport/store/store.h"

#include <fmt/format.h>

#include <array>

namespace rapport::store {
namespace {

constexpr std::array<std::string_view, 4> kFactStatuses = {"active", "superseded", "disputed",
                                                           "forgotten"};
constexpr std::array<std::string_view, 4> kJobStatuses = {"queued", "running", "done", "failed"};
constexpr std::array<std::string_view, 6> kInteractionKinds = {"view", "click",  "like",
                                                               "hide", "rating", "purchase"};
constexpr std::array<std::string_view, 3> kKeyRoles = {"admin", "app", "user"};

/// The enumerator whose place in `names` is that of `text`.
template <typename Enum, std::size_t count>
Result<Enum> parse(const std::array<std::string_view, count>& names, std::string_view what,
                   std::string_view text) {
  for (std::size_t i = 0; i < count; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("\"{}\" is no {}: use one of {}", text, what, fmt::join(names, ", ")));
}

}  // namespace

std::string_view name(FactStatus status) {
  return kFactStatuses[static_cast<std::size_t>(status)];
}
std::string_view name(JobStatus status) {
  return kJobStatuses[static_cast<std::size_t>(status)];
}
std::string_view name(InteractionKind kind) {
  return kInteractionKinds[static_cast<std::size_t>(kind)];
}
std::string_view name(KeyRole role) {
  return kKeyRoles[static_cast<std::size_t>(role)];
}

Result<FactStatus> parse_fact_status(std::string_view text) {
  return parse<FactStatus>(kFactStatuses, "status of a fact", text);
}
Result<JobStatus> parse_job_status(std::string_view text) {
  return parse<JobStatus>(kJobStatuses, "status of a job", text);
}
Result<InteractionKind> parse_interaction_kind(std::string_view text) {
  return parse<InteractionKind>(kInteractionKinds, "kind of interaction", text);
}
Result<KeyRole> parse_key_role(std::string_view text) {
  return parse<KeyRole>(kKeyRoles, "role of a key", text);
}

Result<void> check(const Page& page) {
  if (page.limit < 1 || page.limit > 1000) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("limit is {}: it must be from 1 to 1000", page.limit), "limit");
  }
  if (page.offset < 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("offset is {}: it must not be negative", page.offset), "offset");
  }
  return {};
}

Result<void> check(const Exchange& exchange) {
  const Conversation& conversation = exchange.conversation;
  const auto refuse = [](std::string_view what, const std::string& id) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} \"{}\" is not of the exchange's own conversation and user: write "
                            "an exchange for each conversation",
                            what, id));
  };
  const bool has_log = !exchange.turns.empty() || !exchange.prefix_hashes.empty();
  if (conversation.id.empty() && has_log) return refuse("conversation", "");
  if (conversation.user.empty() &&
      (!conversation.id.empty() || exchange.settings || exchange.exposure)) {
    return refuse("user", "");
  }
  for (const Turn& turn : exchange.turns) {
    if (turn.user != conversation.user || turn.conversation != conversation.id) {
      return refuse("turn", turn.id);
    }
  }
  for (const Fact& fact : exchange.facts) {
    if (fact.user.empty() || fact.user != conversation.user) return refuse("fact", fact.id);
  }
  if (exchange.exposure && exchange.exposure->user != conversation.user) {
    return refuse("exposure", exchange.exposure->response_id);
  }
  if (exchange.trace &&
      (exchange.trace->conversation != conversation.id ||
       (!conversation.user.empty() && exchange.trace->user != conversation.user))) {
    return refuse("trace", exchange.trace->response_id);
  }
  return {};
}

}  // namespace rapport::store
