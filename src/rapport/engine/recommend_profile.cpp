#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "rapport/base/text.h"
#include "rapport/engine/recommend_steps.h"

namespace rapport::engine {
namespace {

using store::InteractionKind;

// A rating below it, of five, says that the item was not liked.
constexpr double kLikedFrom = 3;
// What an item ten places back counts against the last one: 0.35. Tastes of last year fade.
constexpr double kInterestDecay = 0.9;
constexpr std::size_t kMaxInterests = 5;

// The more deliberate, the more it says.
int weight(InteractionKind kind) {
  switch (kind) {
    case InteractionKind::kView: return 0;
    case InteractionKind::kClick: return 1;
    case InteractionKind::kPurchase: return 2;
    case InteractionKind::kRating: return 3;
    case InteractionKind::kLike: return 4;
    case InteractionKind::kHide: break;  // an opinion only: nothing that was done with an item
  }
  return 0;
}

std::vector<CategoryIndex> categories_of(const std::string& setting, const char* key,
                                         const ServedCatalogue& served,
                                         std::vector<LeftOut>& left_out) {
  std::vector<CategoryIndex> categories;
  for (const std::string& name : profile::list_of(setting)) {
    if (const auto found = served.find_category(name)) {
      categories.push_back(*found);
    } else {
      left_out.push_back({fmt::format("setting {}: \"{}\"", key, name),
                          fmt::format("the catalogue {} has no such category", served.name())});
    }
  }
  std::sort(categories.begin(), categories.end());
  categories.erase(std::unique(categories.begin(), categories.end()), categories.end());
  return categories;
}

// Newest first, so that an item stands where it was last met, with the most deliberate thing that
// was done with it; the newest opinion of it decides whether it was liked.
void read_interactions(const std::vector<store::ItemHistory::Event>& recent,
                       const ServedCatalogue& served, Taste& taste,
                       std::vector<LeftOut>& left_out) {
  std::unordered_map<data::ItemIndex, std::size_t> place;  // in `newest_first`
  std::unordered_set<data::ItemIndex> judged, disliked;
  std::vector<HistoryItem> newest_first;
  std::int64_t unknown = 0;
  for (auto each = recent.rbegin(); each != recent.rend(); ++each) {
    const auto item = served.catalogue().find(each->item);
    if (!item) {
      ++unknown;
      continue;
    }
    const bool against =
        each->kind == InteractionKind::kHide ||
        (each->kind == InteractionKind::kRating && each->value.value_or(kLikedFrom) < kLikedFrom);
    const bool opinion =
        against || each->kind == InteractionKind::kLike || each->kind == InteractionKind::kRating;
    if (opinion && judged.insert(*item).second && against) disliked.insert(*item);
    if (each->kind == InteractionKind::kHide) continue;
    const auto [at, fresh] = place.try_emplace(*item, newest_first.size());
    if (fresh) {
      newest_first.push_back({*item, each->kind, each->value, each->id});
    } else if (HistoryItem& known = newest_first[at->second];
               weight(each->kind) > weight(known.kind)) {
      known = {*item, each->kind, each->value, each->id};
    }
  }
  std::erase_if(newest_first,
                [&](const HistoryItem& each) { return disliked.contains(each.item); });
  taste.history.assign(newest_first.rbegin(), newest_first.rend());
  if (unknown > 0) {
    left_out.push_back({fmt::format("{} interactions", unknown),
                        fmt::format("their items are not in the catalogue {}", served.name())});
  }
}

std::vector<Interest> interests_of(const std::vector<HistoryItem>& history,
                                   const ServedCatalogue& served) {
  std::vector<double> mass(served.category_names().size(), 0);
  double weight = 1, total = 0;
  for (auto each = history.rbegin(); each != history.rend(); ++each, weight *= kInterestDecay) {
    for (const CategoryIndex category : served.categories(each->item)) {
      mass[static_cast<std::size_t>(category)] += weight;
    }
    total += weight;
  }
  std::vector<Interest> interests;
  for (std::size_t i = 0; i < mass.size(); ++i) {
    if (mass[i] > 0) interests.push_back({static_cast<CategoryIndex>(i), mass[i] / total});
  }
  const auto kept =
      interests.begin() + static_cast<std::ptrdiff_t>(std::min(kMaxInterests, interests.size()));
  std::partial_sort(interests.begin(), kept, interests.end(),
                    [](const Interest& a, const Interest& b) {
                      return a.share != b.share ? a.share > b.share : a.category < b.category;
                    });
  interests.erase(kept, interests.end());
  return interests;
}

void complete(Taste& taste, const ServedCatalogue& served) {
  for (const HistoryItem& each : taste.history) taste.sequence.push_back(each.item);
  taste.interests = interests_of(taste.history, served);
}

void read_given(const std::vector<data::ItemIndex>& given, Taste& taste) {
  // An item stands where it was last met.
  std::unordered_set<data::ItemIndex> known;
  for (auto item = given.rbegin(); item != given.rend(); ++item) {
    if (known.insert(*item).second) taste.history.push_back({.item = *item});
  }
  std::reverse(taste.history.begin(), taste.history.end());
  for (const HistoryItem& each : taste.history) taste.seen.push_back(each.item);
}

Result<std::vector<data::ItemIndex>> find_items(const std::vector<std::string>& ids,
                                                const ServedCatalogue& served,
                                                std::string_view remedy = kListItems) {
  std::vector<data::ItemIndex> items;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    TRY(const data::ItemIndex item, served.require(ids[i], fmt::format("history[{}]", i), remedy));
    items.push_back(item);
  }
  return items;
}

// Those that the catalogue still has.
std::vector<data::ItemIndex> known_items(const std::unordered_set<std::string>& ids,
                                         const ServedCatalogue& served) {
  std::vector<data::ItemIndex> items;
  for (const std::string& id : ids) {
    if (const auto item = served.catalogue().find(id)) items.push_back(*item);
  }
  return items;
}

constexpr std::size_t kShown = 60;  // bytes of a client's own words in an error

}  // namespace

Result<Wishes> wishes_of(const RecommendationRequest& request, const ServedCatalogue& served,
                         std::string_view domain) {
  Wishes wishes = read_wishes(request.query, domain, served);
  if (!wishes.unread.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("query: no rule reads \"{}\"; categories and brands of the catalogue, "
                            "\"no …\" before them, \"before 1990\", \"after …\", \"since …\", "
                            "\"from …\", \"in the 80s\", \"under $20\", \"like TITLE\" and moods "
                            "(\"something lighter\") are read",
                            base::truncate(wishes.unread.front(), kShown)),
                "query");
  }
  for (std::size_t i = 0; i < request.like.size(); ++i) {
    TRY(const data::ItemIndex item, served.require(request.like[i], fmt::format("like[{}]", i)));
    wishes.like.push_back(item);
  }
  for (std::size_t i = 0; i < request.mood.size(); ++i) {
    auto mood = find_mood(request.mood[i], served);
    if (!mood) {
      const std::vector<std::string> known = mood_words(served);
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("mood[{}] \"{}\" is none that the catalogue {} has categories for{}", i,
                      base::truncate(request.mood[i], kShown), served.name(),
                      known.empty() ? std::string() : fmt::format(": {}", fmt::join(known, ", "))),
          fmt::format("mood[{}]", i));
    }
    wishes.moods.push_back(*std::move(mood));
  }
  return wishes;
}

void add_wishes(const Wishes& wishes, const ServedCatalogue& served, Taste& taste) {
  for (const data::ItemIndex item : wishes.like) {
    std::erase_if(taste.history, [&](const HistoryItem& each) { return each.item == item; });
    taste.history.push_back({.item = item, .named = true});
    taste.seen.push_back(item);
  }
  taste.moods = wishes.moods;
  taste.sequence.clear();
  complete(taste, served);
}

Result<Taste> taste_of_given(const std::vector<std::string>& history, const ServedCatalogue& served,
                             std::string_view remedy) {
  TRY(const auto items, find_items(history, served, remedy));
  Taste taste;
  read_given(items, taste);
  complete(taste, served);
  return taste;
}

Result<Taste> taste_of(const Permit& permit, const Identity& who,
                       const RecommendationRequest& request, const profile::Settings& settings,
                       const ServedCatalogue& served, store::Store& store,
                       const RecommendOptions& options, std::vector<LeftOut>& left_out) {
  Taste taste;
  store::ItemHistory kept;
  if (permit.settings()) {
    const profile::Preferences preferences = settings.effective(request.domain);
    taste.favourites =
        categories_of(preferences.favourite_categories, "favourite_categories", served, left_out);
    taste.avoided =
        categories_of(preferences.avoided_categories, "avoided_categories", served, left_out);
    TRY(kept, store.item_history(who.user, served.name(), permit.profile() ? options.history : 0));
    taste.hidden = known_items(kept.hidden, served);
  }
  // Of nobody in particular the application's own history is the request's content, as messages
  // are; a user's degree holds for both.
  const bool generic = request.degree == profile::Degree::kGeneric;
  const bool may_read = permit.profile() || (who.user.empty() && !generic);
  // What is wrong with a request is told at any degree.
  TRY(const auto given, find_items(request.history.value_or(std::vector<std::string>{}), served));
  if (request.history && may_read) {
    read_given(given, taste);
  } else if (permit.profile()) {
    read_interactions(kept.recent, served, taste, left_out);
    taste.seen = known_items(kept.known, served);
  } else {
    // At degree 1 what a user said of items is kept: no taste is read from it, but they need not be
    // told of them again.
    taste.seen = known_items(kept.judged, served);
  }
  if (!may_read && (request.history || permit.settings())) {
    left_out.push_back(
        {"history", fmt::format("degree {} does not use it", static_cast<int>(permit.degree))});
  }
  complete(taste, served);
  return taste;
}

}  // namespace rapport::engine
