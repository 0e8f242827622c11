#include "rapport/profile/facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/base/text.h"

namespace rapport::profile {
namespace {

constexpr std::size_t kMaxFactBytes = 1000;

// Attributes of which a person has one at a time: a new value supersedes the old one. All others
// add up.
bool has_one_value(std::string_view attribute) {
  return attribute == "diet" || attribute == "lives in" || attribute == "comes from" ||
         attribute == "age" || attribute == "occupation" || attribute == "works at";
}

// Saying one takes back the other of the same thing.
std::string_view opposite(std::string_view attribute) {
  if (attribute == "likes") return "dislikes";
  if (attribute == "dislikes") return "likes";
  return "";
}

bool same(std::string_view a, std::string_view b) {
  return base::fold_case(base::trim(a)) == base::fold_case(base::trim(b));
}

void end(store::Fact& fact, store::FactStatus status, const std::string& by, base::UnixMillis now) {
  fact.status = status;
  fact.superseded_by = by;
  fact.valid_to = now;
  fact.updated = now;
}

bool retracts(const Statement& statement, const store::Fact& fact) {
  return statement.attribute == fact.attribute &&
         (statement.value.empty() || same(statement.value, fact.value));
}

bool contradicts(const Statement& statement, const store::Fact& fact) {
  if (statement.attribute == fact.attribute) {
    return has_one_value(statement.attribute) && !same(statement.value, fact.value);
  }
  return !fact.attribute.empty() && fact.attribute == opposite(statement.attribute) &&
         same(statement.value, fact.value);
}

store::Fact new_fact(const StatementSource& source, base::UnixMillis now, base::Random& random) {
  store::Fact fact;
  fact.id = random.id("fact_");
  fact.user = source.user;
  fact.domain = source.domain;
  fact.source_turn = source.turn;
  fact.source = source.turn.empty() ? "user" : "statement";
  // A rule on the user's own plain words is near certain; what a user types into the form is
  // certain.
  fact.confidence = source.turn.empty() ? 1.0 : 0.95;
  fact.valid_from = now;
  fact.created = now;
  fact.updated = now;
  return fact;
}

}  // namespace

std::vector<store::Fact> reconcile(const std::vector<store::Fact>& known,
                                   const std::vector<Statement>& statements,
                                   const StatementSource& source, base::UnixMillis now,
                                   base::Random& random) {
  std::vector<store::Fact> all = known;  // as they will be; the order of `known`, then new ones
  std::vector<bool> changed(known.size(), false);
  for (const Statement& statement : statements) {
    if (statement.kind == StatementKind::kSetting) continue;
    const bool retraction = statement.kind == StatementKind::kRetraction;
    const auto is_known = [&](const store::Fact& fact) {
      return fact.status == store::FactStatus::kActive && fact.attribute == statement.attribute &&
             same(fact.value, statement.value) && fact.domain == source.domain;
    };
    if (!retraction && std::any_of(all.begin(), all.end(), is_known)) continue;

    std::string id;
    if (!retraction) {
      store::Fact fact = new_fact(source, now, random);
      fact.text = statement.evidence;
      fact.attribute = statement.attribute;
      fact.value = statement.value;
      fact.evidence = statement.evidence;
      id = fact.id;
      all.push_back(std::move(fact));
      changed.push_back(true);
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      store::Fact& fact = all[i];
      if (fact.status != store::FactStatus::kActive || fact.id == id) continue;
      if (retraction ? retracts(statement, fact) : contradicts(statement, fact)) {
        end(fact, store::FactStatus::kSuperseded, id, now);
        changed[i] = true;
      }
    }
  }
  std::vector<store::Fact> result;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (changed[i]) result.push_back(std::move(all[i]));
  }
  return result;
}

Result<std::vector<store::Fact>> facts_from_text(const std::vector<store::Fact>& known,
                                                 const std::string& text,
                                                 const StatementSource& source,
                                                 base::UnixMillis now, base::Random& random) {
  const std::string trimmed{base::trim(text)};
  if (trimmed.empty()) {
    return fail(ErrorCode::kInvalidArgument, "text is empty: say the fact in a few words", "text");
  }
  if (trimmed.size() > kMaxFactBytes) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("text is {} bytes long; a fact has at most {}", trimmed.size(), kMaxFactBytes),
        "text");
  }
  if (!base::is_utf8(trimmed)) {
    return fail(ErrorCode::kInvalidArgument, "text is not valid UTF-8", "text");
  }
  std::vector<Statement> statements = find_statements(trimmed);
  std::erase_if(statements,
                [](const Statement& statement) { return statement.kind != StatementKind::kFact; });
  // Only a text that is one statement is filed under its attribute; of "I'm vegan and I hate
  // olives" the whole words are the fact.
  if (statements.size() == 1) {
    statements.front().evidence = trimmed;
    return reconcile(known, statements, source, now, random);
  }
  for (const store::Fact& fact : known) {
    if (fact.status == store::FactStatus::kActive && same(fact.text, trimmed) &&
        fact.domain == source.domain) {
      return std::vector<store::Fact>{};
    }
  }
  store::Fact fact = new_fact(source, now, random);
  fact.text = trimmed;
  fact.evidence = trimmed;
  return std::vector<store::Fact>{std::move(fact)};
}

std::string sentence(const store::Fact& fact) {
  static const std::map<std::string, std::string_view, std::less<>> kSentences = {
      {"allergy", "The user is allergic to {}."},
      {"avoids", "The user does not eat or drink {}."},
      {"likes", "The user likes {}."},
      {"dislikes", "The user dislikes {}."},
      {"prefers", "The user prefers {}."},
      {"lives in", "The user lives in {}."},
      {"comes from", "The user comes from {}."},
      {"occupation", "The user's occupation is {}."},
      {"works at", "The user works at {}."},
      {"age", "The user is {} years old."},
      {"speaks", "The user speaks {}."},
      {"learns", "The user is learning {}."},
      {"plays", "The user plays {}."},
      {"has", "The user has {}."},
  };
  if (fact.attribute == "diet") {
    // "is vegetarian", but "'s diet is gluten-free".
    const bool is_a_person =
        fact.value.ends_with("arian") || fact.value == "vegan" || fact.value == "diabetic";
    return fmt::format("The user{} {}.", is_a_person ? " is" : "'s diet is", fact.value);
  }
  if (const auto found = kSentences.find(fact.attribute); found != kSentences.end()) {
    return fmt::format(fmt::runtime(found->second), fact.value);
  }
  return fmt::format("The user said: \"{}\"", fact.text);
}

Json to_json(const store::Fact& fact) {
  Json json = {{"id", fact.id},
               {"object", "fact"},
               {"text", fact.text},
               {"attribute", fact.attribute.empty() ? Json() : Json(fact.attribute)},
               {"value", fact.value.empty() ? Json() : Json(fact.value)},
               {"domain", fact.domain.empty() ? Json() : Json(fact.domain)},
               {"confidence", fact.confidence},
               {"status", std::string(store::name(fact.status))},
               {"source", fact.source},
               {"source_turn", fact.source_turn.empty() ? Json() : Json(fact.source_turn)},
               {"evidence", fact.evidence},
               {"superseded_by", fact.superseded_by.empty() ? Json() : Json(fact.superseded_by)},
               {"valid_from", base::iso8601(fact.valid_from)},
               {"valid_to", fact.valid_to ? Json(base::iso8601(*fact.valid_to)) : Json()},
               {"created", base::iso8601(fact.created)},
               {"updated", base::iso8601(fact.updated)}};
  return json;
}

}  // namespace rapport::profile
