#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rapport/engine/explanation.h"
#include "rapport/engine/recommend_steps.h"

namespace rapport::engine {
namespace {

constexpr std::size_t kShownHistory = 50;

Json names_of(const std::vector<CategoryIndex>& categories, const ServedCatalogue& served) {
  Json names = Json::array();
  for (const CategoryIndex each : categories) {
    names.push_back(served.category_names()[static_cast<std::size_t>(each)]);
  }
  return names;
}

Json settings_used(const RecommendationTrace& trace) {
  Json settings = Json::object();
  if (!trace.taste.favourites.empty()) {
    settings["favourite_categories"] = names_of(trace.taste.favourites, *trace.served);
  }
  if (!trace.taste.avoided.empty()) {
    settings["avoided_categories"] = names_of(trace.taste.avoided, *trace.served);
  }
  return settings;
}

Json history_used(const RecommendationTrace& trace) {
  Json history = Json::array();
  const auto& kept = trace.taste.history;
  for (std::size_t i = kept.size() - std::min(kShownHistory, kept.size()); i < kept.size(); ++i) {
    // Made member by member: the braces of an initializer list copy each value twice, which
    // shows in the time of a recommendation.
    Json::object_t entry;
    entry.reserve(4);
    entry.emplace("item", trace.served->catalogue().id(kept[i].item));
    entry.emplace("title", trace.served->catalogue().title(kept[i].item));
    entry.emplace("interaction", or_null(kept[i].interaction));
    entry.emplace("kind", kept[i].named                 ? "named"
                          : kept[i].interaction.empty() ? "given"
                                                        : store::name(kept[i].kind));
    history.push_back(std::move(entry));
  }
  return history;
}

std::string retrievers_of(const palr::ListRanker& ranking) {
  std::vector<std::string_view> names;
  for (const palr::CandidateSource& source : ranking.sources()) names.push_back(source.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// The one-sentence answer to "why did you recommend that?".
std::string summary(const RecommendationTrace& trace) {
  const std::string ranked = fmt::format(
      "ranked by {} over the catalogue {}",
      trace.ranked ? fmt::format("what {} learned of {}", trace.served->ranking()->kind(),
                                 retrievers_of(*trace.served->ranking()))
                   : trace.model,
      trace.served->name());
  const std::size_t count = trace.taste.history.size();
  const std::string items =
      fmt::format("{} {} of the history", count, count == 1 ? "item" : "items");
  if (!trace.permit.settings()) {
    // Only a history that came with the request is read of nobody in particular.
    if (count > 0) return fmt::format("The list rests on {} given, {}.", items, ranked);
    return fmt::format("This list is generic: {}; {}.", trace.permit.reason, ranked);
  }
  std::vector<std::string> grounds;
  if (count > 0) grounds.push_back(items);
  if (!trace.taste.favourites.empty()) grounds.emplace_back("the favourite categories");
  if (!trace.taste.avoided.empty()) grounds.emplace_back("the avoided categories");
  if (!trace.taste.moods.empty()) grounds.emplace_back("the mood asked for");
  if (grounds.empty()) {
    return fmt::format(
        "Nothing is known of this user's taste yet, so that the list is a general "
        "one, {}.",
        ranked);
  }
  return fmt::format("The list rests on {}, {}.", fmt::join(grounds, " and "), ranked);
}

Json items_shown(const RecommendationTrace& trace) {
  Json items = Json::array();
  for (const RecommendedItem& each : trace.items) {
    Json item = {{"item", each.id}, {"title", each.title}, {"score", each.score}};
    // Reasons name what somebody looked at, which is kept of nobody who did not permit it.
    if (trace.permit.settings()) {
      item["reasons"] = Json::array();
      for (const Reason& reason : each.reasons) item["reasons"].push_back(to_json(reason));
    }
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace

Json to_json(const Reason& reason) {
  return {{"kind", reason.kind}, {"text", reason.text}, {"evidence", reason.evidence}};
}

Json explanation(const RecommendationTrace& trace) {
  const bool personal = trace.permit.settings();
  Json interests = Json::array();
  if (personal) {
    for (const Interest& each : trace.taste.interests) {
      interests.push_back(
          {{"category", trace.served->category_names()[static_cast<std::size_t>(each.category)]},
           {"share", each.share}});
    }
  }
  Json json = explanation_opening(trace, summary(trace));
  json["conversation"] = nullptr;
  json["used"] = {{"settings", personal ? settings_used(trace) : Json::object()},
                  {"facts", Json::array()},
                  {"history", personal ? history_used(trace) : Json::array()}};
  json["learned"] = {{"facts", Json::array()}, {"settings", Json::array()}};
  json["prompt"] = nullptr;
  json["left_out"] = personal ? to_json(trace.left_out) : Json::array();
  json["choice"] = {
      {"policy", kRecommendPolicy}, {"arm", trace.arm}, {"propensity", trace.propensity}};
  json["recommendation"] = {
      {"catalogue", trace.served->name()},
      {"model", trace.model},
      {"why_no_model", or_null(trace.served->why_no_model())},
      {"ranker", trace.ranked ? Json(trace.served->ranking()->kind()) : Json()},
      {"candidates", trace.candidates.size()},
      {"diversity", trace.diversity},
      {"interests", std::move(interests)},
      {"items", items_shown(trace)}};
  json["steps"] = to_json(trace.steps);
  return json;
}

void learn(const RecommendationTrace& trace, Attribution& attribution) {
  if (!trace.permit.settings()) return;
  std::vector<std::string> items;
  for (const RecommendedItem& each : trace.items) items.push_back(each.id);
  attribution.remember(trace.who.user, trace.response_id, std::move(items), trace.created);
}

store::Exchange record(const RecommendationTrace& trace) {
  store::Exchange exchange;
  exchange.trace = {.response_id = trace.response_id,
                    .user = trace.who.user,
                    .data = explanation(trace),
                    .created = trace.created};
  exchange.as_of = trace.as_of;
  if (!trace.permit.settings()) return exchange;
  exchange.conversation.user = trace.who.user;
  exchange.exposure = {.response_id = trace.response_id,
                       .user = trace.who.user,
                       .policy = kRecommendPolicy,
                       .arm = trace.arm,
                       .propensity = trace.propensity,
                       .created = trace.created};
  return exchange;
}

}  // namespace rapport::engine
