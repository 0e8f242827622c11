#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "rapport/base/log.h"
#include "rapport/engine/recommend_steps.h"

namespace rapport::engine {
namespace {

using store::InteractionKind;

// The history that reasons are looked for in, and the part of it that is left out item by item.
constexpr std::size_t kLookedAt = 100;
constexpr std::size_t kLeftOut = 10;
// Features that a ranker's reason names.
constexpr std::size_t kContributions = 3;

std::string title_of(const ServedCatalogue& served, data::ItemIndex item) {
  const std::string_view title = served.catalogue().title(item);
  return std::string(title.empty() ? served.catalogue().id(item) : title);
}

std::string what_was_done(const HistoryItem& each) {
  if (each.named) return "which you named";
  if (each.interaction.empty()) return "of the history given";
  switch (each.kind) {
    case InteractionKind::kView: return "which you looked at";
    case InteractionKind::kClick: return "which you clicked";
    case InteractionKind::kLike: return "which you liked";
    case InteractionKind::kPurchase: return "which you bought";
    case InteractionKind::kRating:
      return fmt::format("which you rated {:g}", each.value.value_or(0));
    case InteractionKind::kHide: break;
  }
  return "of your history";
}

Json evidence_of(const ServedCatalogue& served, const HistoryItem& each) {
  return {{"item", served.catalogue().id(each.item)},
          {"title", served.catalogue().title(each.item)},
          {"did", each.interaction.empty() ? Json() : Json(store::name(each.kind))},
          {"interaction", each.interaction.empty() ? Json() : Json(each.interaction)}};
}

// The history item that is most like it by categories; among equals the latest.
std::optional<Reason> history_reason(data::ItemIndex item, const Taste& taste,
                                     const ServedCatalogue& served) {
  const HistoryItem* nearest = nullptr;
  double most = 0;
  std::size_t looked_at = 0;
  for (auto each = taste.history.rbegin(); each != taste.history.rend() && looked_at < kLookedAt;
       ++each, ++looked_at) {
    if (each->item == item) continue;
    const double similarity = served.similarity(item, each->item);
    if (similarity > most) {
      most = similarity;
      nearest = &*each;
    }
  }
  if (nearest == nullptr) return std::nullopt;
  std::vector<std::string> shared;
  for (const CategoryIndex category : served.categories(item)) {
    if (std::ranges::binary_search(served.categories(nearest->item), category)) {
      shared.push_back(served.category_names()[static_cast<std::size_t>(category)]);
    }
  }
  Reason reason;
  reason.kind = "history";
  reason.text = fmt::format("shares {} with {}, {}", fmt::join(shared, ", "),
                            title_of(served, nearest->item), what_was_done(*nearest));
  reason.evidence = evidence_of(served, *nearest);
  reason.evidence["shared_categories"] = shared;
  return reason;
}

std::optional<Reason> setting_reason(data::ItemIndex item, const Taste& taste,
                                     const ServedCatalogue& served) {
  for (const CategoryIndex category : served.categories(item)) {
    if (!std::ranges::binary_search(taste.favourites, category)) continue;
    const std::string& name = served.category_names()[static_cast<std::size_t>(category)];
    return Reason{"setting",
                  fmt::format("is of {}, one of your favourite categories", name),
                  {{"setting", "favourite_categories"}, {"category", name}}};
  }
  return std::nullopt;
}

std::optional<Reason> mood_reason(data::ItemIndex item, const Taste& taste,
                                  const ServedCatalogue& served) {
  for (const Mood& mood : taste.moods) {
    const bool against = std::ranges::any_of(served.categories(item), [&](CategoryIndex category) {
      return std::ranges::binary_search(mood.lowered, category);
    });
    if (against) continue;
    for (const CategoryIndex category : served.categories(item)) {
      if (!std::ranges::binary_search(mood.raised, category)) continue;
      const std::string& name = served.category_names()[static_cast<std::size_t>(category)];
      return Reason{"mood",
                    fmt::format("is of {}, as you asked for something {}", name, mood.words),
                    {{"mood", mood.words}, {"category", name}}};
    }
  }
  return std::nullopt;
}

Reason popularity_reason(data::ItemIndex item, const ServedCatalogue& served) {
  const std::int64_t rank = served.popularity_rank(item), count = served.interactions(item);
  return {"popularity",
          fmt::format("is number {} of the {} items of {} by how often it was chosen ({} times)",
                      rank, served.catalogue().size(), served.name(), count),
          {{"rank", rank}, {"interactions", count}}};
}

// How far each chosen item's score falls when one item of the history is left out:
// [left out × chosen]. One batch.
class Influence {
 public:
  static Result<Influence> measure(const std::vector<Candidate>& chosen, const Taste& taste,
                                   const retrieval::Retriever& model) {
    Influence influence;
    const auto& sequence = taste.sequence;
    influence.first_ = sequence.size() - std::min(kLeftOut, sequence.size());
    std::vector<std::vector<data::ItemIndex>> without;
    for (std::size_t i = influence.first_; i < sequence.size(); ++i) {
      without.push_back(sequence);
      without.back().erase(without.back().begin() + static_cast<std::ptrdiff_t>(i));
    }
    std::vector<retrieval::Query> queries = {{.history = sequence}};
    for (const auto& history : without) queries.push_back({.history = history});
    const auto items = static_cast<std::size_t>(model.items());
    std::vector<float> scores(queries.size() * items);
    TRY_VOID(model.score(queries, scores));
    for (std::size_t q = 1; q < queries.size(); ++q) {
      for (const Candidate& each : chosen) {
        const auto item = static_cast<std::size_t>(each.item);
        influence.drops_.push_back(static_cast<double>(scores[item] - scores[q * items + item]));
      }
    }
    influence.chosen_ = chosen.size();
    return influence;
  }

  // Of the chosen item at `place`; none when every score rises.
  std::optional<Reason> reason(std::size_t place, const Taste& taste,
                               const ServedCatalogue& served) const {
    std::size_t most = 0;
    double drop = 0;
    for (std::size_t q = 0; q * chosen_ < drops_.size(); ++q) {
      if (drops_[q * chosen_ + place] > drop) {
        drop = drops_[q * chosen_ + place];
        most = q;
      }
    }
    if (drop <= 0) return std::nullopt;
    const HistoryItem& cause = taste.history[first_ + most];
    Reason reason{
        "influence",
        fmt::format("would score {:.2f} less by {} without {}, {}", drop, served.model().kind(),
                    title_of(served, cause.item), what_was_done(cause)),
        evidence_of(served, cause)};
    reason.evidence["model"] = served.model().kind();
    reason.evidence["score_drop"] = drop;
    return reason;
  }

 private:
  std::size_t first_ = 0;  // of the sequence's items left out
  std::size_t chosen_ = 0;
  std::vector<double> drops_;
};

// A feature's words about this history.
std::string about_history(std::string words, const std::string& newest) {
  constexpr std::string_view kNewest = "{newest}";
  if (const auto at = words.find(kNewest); at != std::string::npos)
    words.replace(at, kNewest.size(), newest);
  return words;
}

// What the learned ranker puts each chosen item above the average candidate for.
std::vector<std::optional<Reason>> ranking_reasons(const std::vector<Candidate>& chosen,
                                                   const palr::RankedList& ranked,
                                                   const Taste& taste,
                                                   const ServedCatalogue& served) {
  std::vector<std::optional<Reason>> reasons(chosen.size());
  std::vector<std::size_t> places;
  for (const Candidate& each : chosen) places.push_back(ranked.pool.find(each.item).value());
  const palr::ListRanker& ranker = *served.ranking();
  const auto raised = ranker.raised_by(ranked, places, kContributions);
  if (!raised) {
    base::log_warning("a ranking cannot be explained", {{"error", raised.error().message}});
    return reasons;
  }
  const std::string newest = title_of(served, taste.sequence.back());
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if ((*raised)[i].empty()) continue;
    Json features = Json::array();
    std::vector<std::string> words;
    for (const palr::Contribution& each : (*raised)[i]) {
      const palr::Feature& feature = ranker.columns()[each.column];
      std::string clause = about_history(feature.words, newest);
      if (std::ranges::find(words, clause) == words.end()) words.push_back(std::move(clause));
      features.push_back({{"feature", feature.name},
                          {"meaning", feature.meaning},
                          {"value", ranked.rows[places[i] * ranker.columns().size() + each.column]},
                          {"contribution", each.amount}});
    }
    reasons[i] = {"ranking",
                  fmt::format("stands above the average candidate by {}", fmt::join(words, ", ")),
                  {{"ranker", ranker.kind()}, {"features", std::move(features)}}};
  }
  return reasons;
}

}  // namespace

Result<std::vector<RecommendedItem>> explain(const std::vector<Candidate>& chosen,
                                             const Taste& taste, const ServedCatalogue& served,
                                             const retrieval::Retriever& model,
                                             const std::optional<palr::RankedList>& ranked,
                                             bool influence) {
  std::vector<std::optional<Reason>> ranking(chosen.size());
  if (ranked) ranking = ranking_reasons(chosen, *ranked, taste, served);
  std::optional<Influence> measured;
  // Of a single item's history nothing is left to compare with.
  if (influence && reads_history(model) && taste.sequence.size() > 1 && !chosen.empty()) {
    TRY(measured, Influence::measure(chosen, taste, model));
  }
  std::vector<RecommendedItem> items;
  for (std::size_t place = 0; place < chosen.size(); ++place) {
    const data::Item item = served.catalogue().item(chosen[place].item);
    RecommendedItem shown{item.id, item.title, item.categories, item.year, chosen[place].score, {}};
    const auto add = [&](std::optional<Reason> reason) {
      if (reason) shown.reasons.push_back(*std::move(reason));
    };
    add(mood_reason(chosen[place].item, taste, served));
    add(setting_reason(chosen[place].item, taste, served));
    add(history_reason(chosen[place].item, taste, served));
    add(ranking[place]);
    if (measured) add(measured->reason(place, taste, served));
    if (shown.reasons.empty() || !reads_history(model)) {
      add(popularity_reason(chosen[place].item, served));
    }
    items.push_back(std::move(shown));
  }
  return items;
}

}  // namespace rapport::engine
