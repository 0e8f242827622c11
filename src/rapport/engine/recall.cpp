#include <fmt/format.h>

#include <algorithm>

#include "rapport/engine/steps.h"
#include "rapport/profile/facts.h"

namespace rapport::engine {
namespace {

Result<void> learn_facts(Recalled& recalled, std::vector<store::Fact>& active,
                         const ChatRequest& request, const Place& place, base::UnixMillis now,
                         base::Random& random) {
  const auto turn = std::find_if(place.turns.rbegin(), place.turns.rend(),
                                 [](const store::Turn& t) { return t.role == "user"; });
  if (turn == place.turns.rend()) return {};
  const profile::StatementSource source{turn->user, turn->id, request.domain};
  recalled.learned = profile::reconcile(active, recalled.said, source, now, random);
  for (const store::Fact& fact : recalled.learned) {
    std::erase_if(active, [&](const store::Fact& old) { return old.id == fact.id; });
    if (fact.status == store::FactStatus::kActive) active.push_back(fact);
  }
  return {};
}

// Of a user who speaks for the first time nothing is known; that is no error.
Result<std::vector<store::Fact>> active_facts(store::Store& store, const store::UserId& user) {
  auto facts = store.facts(user, false);
  if (!facts && facts.error().code == ErrorCode::kNotFound) return std::vector<store::Fact>{};
  return facts;
}

// Three bytes a token errs on the safe side for English and for accented text alike.
std::int64_t estimated_tokens(const std::string& text) {
  return static_cast<std::int64_t>(text.size()) / 3 + 4;
}

}  // namespace

profile::Settings with_statements(profile::Settings settings,
                                  const std::vector<profile::Statement>& said,
                                  std::vector<std::string>* changed) {
  for (const profile::Statement& statement : said) {
    if (statement.kind != profile::StatementKind::kSetting) continue;
    // A patch, so that it is checked as a form's entry is.
    auto patched = profile::patch_settings(settings, Json{{statement.attribute, statement.value}});
    // A name too long for a setting is no reason to refuse the whole request.
    if (!patched || *patched == settings) continue;
    settings = *std::move(patched);
    if (changed != nullptr) changed->push_back(statement.attribute);
  }
  return settings;
}

Result<Recalled> recall(const Permit& permit, const ChatRequest& request, const Place& place,
                        const profile::Settings& settings, store::Store& store,
                        const EngineOptions& options, base::UnixMillis now, base::Random& random,
                        std::vector<LeftOut>& left_out) {
  Recalled recalled;
  if (!permit.settings()) return recalled;
  for (const store::Turn& turn : place.turns) {
    if (turn.role != "user") continue;
    TRY(Json json, base::parse_json(turn.content, "turn " + turn.id));
    const auto said = profile::find_statements(language::ChatMessage{std::move(json)}.content());
    recalled.said.insert(recalled.said.end(), said.begin(), said.end());
  }
  recalled.settings = with_statements(settings, recalled.said, &recalled.settings_changed);
  recalled.preferences = recalled.settings.effective(request.domain);
  if (!permit.profile()) {
    left_out.push_back(
        {"facts", fmt::format("degree {} uses settings only", static_cast<int>(permit.degree))});
    return recalled;
  }

  TRY(std::vector<store::Fact> active, active_facts(store, place.conversation.user));
  TRY_VOID(learn_facts(recalled, active, request, place, now, random));

  // Newest first into the budget, then shown oldest first: the block's beginning stays the same
  // from turn to turn, and with it the model's cached prefix.
  std::int64_t budget = options.personal_tokens;
  for (auto fact = active.rbegin(); fact != active.rend(); ++fact) {
    if (!fact->domain.empty() && fact->domain != request.domain) {
      left_out.push_back({"fact " + fact->id, "it belongs to domain \"" + fact->domain + "\""});
      continue;
    }
    budget -= estimated_tokens(fact->text);
    if (budget < 0) {
      left_out.push_back({"fact " + fact->id, "over the personal token budget"});
      continue;
    }
    recalled.facts.push_back(*fact);
  }
  std::reverse(recalled.facts.begin(), recalled.facts.end());
  return recalled;
}

}  // namespace rapport::engine
