#include "store_samples.h"

#include <fmt/format.h>

namespace rapport::store {
namespace {

Json or_null(const std::optional<UnixMillis>& time) {
  return time ? Json(*time) : Json();
}

}  // namespace

Json as_json(const User& user) {
  return {{"id", user.id},
          {"app", user.app},
          {"name", user.name},
          {"created", user.created},
          {"last_seen", user.last_seen}};
}

Json as_json(const Fact& fact) {
  return {{"id", fact.id},
          {"user", fact.user},
          {"text", fact.text},
          {"attribute", fact.attribute},
          {"value", fact.value},
          {"domain", fact.domain},
          {"confidence", fact.confidence},
          {"source", fact.source},
          {"source_turn", fact.source_turn},
          {"evidence", fact.evidence},
          {"valid_from", fact.valid_from},
          {"valid_to", or_null(fact.valid_to)},
          {"status", name(fact.status)},
          {"superseded_by", fact.superseded_by},
          {"created", fact.created},
          {"updated", fact.updated}};
}

Json as_json(const Conversation& conversation) {
  return {{"id", conversation.id},           {"user", conversation.user},
          {"name", conversation.name},       {"turns", conversation.turns},
          {"created", conversation.created}, {"updated", conversation.updated}};
}

Json as_json(const Turn& turn) {
  return {{"id", turn.id},           {"conversation", turn.conversation},
          {"user", turn.user},       {"index", turn.index},
          {"role", turn.role},       {"content", turn.content},
          {"created", turn.created}, {"response_id", turn.response_id}};
}

Json as_json(const Event& event) {
  return {{"id", event.id},     {"user", event.user},
          {"kind", event.kind}, {"response_id", event.response_id},
          {"data", event.data}, {"created", event.created}};
}

Json as_json(const Interaction& interaction) {
  return {{"id", interaction.id},
          {"user", interaction.user},
          {"catalogue", interaction.catalogue},
          {"kind", name(interaction.kind)},
          {"item", interaction.item},
          {"value", interaction.value ? Json(*interaction.value) : Json()},
          {"response_id", interaction.response_id},
          {"created", interaction.created}};
}

Json as_json(const Job& job) {
  return {{"id", job.id},
          {"kind", job.kind},
          {"user", job.user},
          {"payload", job.payload},
          {"status", name(job.status)},
          {"attempts", job.attempts},
          {"max_attempts", job.max_attempts},
          {"not_before", job.not_before},
          {"progress", job.progress},
          {"error", job.error},
          {"created", job.created},
          {"updated", job.updated}};
}

Json as_json(const ApiKey& key) {
  return {{"id", key.id},
          {"digest", key.digest},
          {"label", key.label},
          {"app", key.app},
          {"role", name(key.role)},
          {"user", key.user},
          {"user_name", key.user_name},
          {"created", key.created},
          {"revoked", or_null(key.revoked)}};
}

Fact sample_fact(const UserId& user, const std::string& id) {
  return {.id = id,
          .user = user,
          .text = "I'm vegetarian — seit 2020 🥦",
          .attribute = "diet",
          .value = "vegetarian",
          .domain = "cooking",
          .confidence = 0.75,
          .source = "statement",
          .source_turn = "turn_0_q",
          .evidence = "I'm vegetarian, by the way",
          .valid_from = 1'600'000'000'000,
          .valid_to = 1'800'000'000'000,
          .status = FactStatus::kActive,
          .superseded_by = "fact_later",
          .created = 1'650'000'000'000,
          .updated = 0};
}

Exchange sample_exchange(const UserId& user, const std::string& conversation, std::int64_t n) {
  Exchange exchange;
  exchange.conversation = {.id = conversation, .user = user, .name = "dinner"};
  const std::string response = fmt::format("resp_{}", n);
  exchange.turns = {{.id = fmt::format("turn_{}_q", n),
                     .conversation = conversation,
                     .user = user,
                     .index = 2 * n,
                     .role = "user",
                     .content = fmt::format(R"({{"role":"user","content":"question {}"}})", n)},
                    {.id = fmt::format("turn_{}_a", n),
                     .conversation = conversation,
                     .user = user,
                     .index = 2 * n + 1,
                     .role = "assistant",
                     .content = fmt::format(R"({{"role":"assistant","content":"answer {}"}})", n),
                     .response_id = response}};
  exchange.prefix_hashes = {fmt::format("hash_{}", n)};
  exchange.exposure = {
      .response_id = response, .user = user, .policy = "style", .arm = "brief", .propensity = 0.25};
  exchange.trace = {.response_id = response,
                    .user = user,
                    .conversation = conversation,
                    .data = {{"steps", {"identify", "permit"}}, {"number", n}}};
  return exchange;
}

Job sample_job(const std::string& id, const std::string& kind) {
  return {.id = id, .kind = kind, .payload = {{"turn", "turn_0_q"}}};
}

}  // namespace rapport::store
