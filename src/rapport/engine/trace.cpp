#include "rapport/engine/trace.h"

#include "rapport/engine/explanation.h"

namespace rapport::engine {
namespace {

Json facts_used(const Trace& trace) {
  Json facts = Json::array();
  for (const store::Fact& fact : trace.recalled.facts) {
    facts.push_back({{"id", fact.id},
                     {"text", fact.text},
                     {"source", fact.source},
                     {"source_turn", or_null(fact.source_turn)},
                     {"evidence", fact.evidence},
                     {"confidence", fact.confidence},
                     {"since", base::iso8601(fact.valid_from)}});
  }
  return facts;
}

Json settings_used(const Trace& trace) {
  Json settings = Json::object();
  for (const profile::SettingInstruction& instruction : trace.choice.instructions) {
    settings[instruction.key] = instruction.value;
  }
  return settings;
}

Json learned(const Trace& trace) {
  Json facts = Json::array();
  for (const store::Fact& fact : trace.recalled.learned) {
    facts.push_back({{"id", fact.id},
                     {"text", fact.text},
                     {"status", std::string(store::name(fact.status))},
                     {"superseded_by", or_null(fact.superseded_by)}});
  }
  return {{"facts", std::move(facts)}, {"settings", trace.recalled.settings_changed}};
}

Json list_shown(const Recommendation& list) {
  Json items = Json::array();
  for (const RecommendedItem& each : list.items) {
    Json reasons = Json::array();
    for (const Reason& reason : each.reasons) reasons.push_back(to_json(reason));
    items.push_back({{"item", each.id},
                     {"title", each.title},
                     {"score", each.score},
                     {"reasons", std::move(reasons)}});
  }
  return {{"response_id", list.id},
          {"catalogue", list.catalogue},
          {"model", list.model},
          {"items", std::move(items)}};
}

// The one-sentence answer to "why did you say that?".
std::string summary(const Trace& trace) {
  if (!trace.permit.settings()) {
    return "This answer is generic: " + trace.permit.reason +
           ", so the model got the application's messages and nothing else.";
  }
  if (trace.list) {
    return "This is a list from the catalogue " + trace.list->catalogue + ", ranked by " +
           trace.list->model + "; the language model was not asked. " + trace.list->id +
           " has its own explanation.";
  }
  std::vector<std::string> reasons;
  for (const store::Fact& fact : trace.recalled.facts) reasons.push_back("\"" + fact.text + "\"");
  for (const auto& instruction : trace.choice.instructions) {
    reasons.push_back("the setting " + instruction.key + " = " + instruction.value);
  }
  if (reasons.empty()) return "Nothing is known of this user yet, so the answer is a general one.";
  std::string text = "The model was told ";
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    if (i > 0) text += i + 1 == reasons.size() ? " and " : ", ";
    text += reasons[i];
  }
  return text + ".";
}

}  // namespace

Json explanation(const Trace& trace) {
  Json json = explanation_opening(trace, summary(trace));
  json["conversation"] = or_null(trace.conversation);
  if (trace.permit.settings()) {
    // A list is made without a language model: nobody was told the facts.
    json["used"] = {{"settings", settings_used(trace)},
                    {"facts", trace.list ? Json::array() : facts_used(trace)}};
    json["learned"] = learned(trace);
    Json messages = Json::array();
    for (const language::ChatMessage& message : trace.prompt.messages)
      messages.push_back(message.json);
    json["prompt"] = {{"personal", trace.prompt.personal},
                      {"messages", std::move(messages)},
                      {"dropped_messages", trace.prompt.dropped_messages}};
  } else {
    json["used"] = {{"settings", Json::object()}, {"facts", Json::array()}};
    json["learned"] = {{"facts", Json::array()}, {"settings", Json::array()}};
    json["prompt"] = nullptr;
  }
  if (trace.list) json["recommendation"] = list_shown(*trace.list);
  json["left_out"] = to_json(trace.left_out);
  json["choice"] = {{"policy", trace.choice.policy},
                    {"arm", or_null(trace.choice.arm)},
                    {"propensity", trace.choice.propensity}};
  json["guard"] = {{"redactions", trace.guard.redactions}, {"rules", trace.guard.rules}};
  Json completions = Json::array();
  for (const language::Completion& completion : trace.completions) {
    completions.push_back({{"model", completion.model},
                           {"finish_reason", std::string(language::name(completion.finish_reason))},
                           {"prompt_tokens", completion.usage.prompt_tokens},
                           {"cached_tokens", completion.usage.cached_tokens},
                           {"completion_tokens", completion.usage.completion_tokens}});
  }
  json["completions"] = std::move(completions);
  json["steps"] = to_json(trace.steps);
  return json;
}

}  // namespace rapport::engine
