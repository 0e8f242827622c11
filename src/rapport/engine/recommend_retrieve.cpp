#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string_view>
#include <unordered_set>

#include "rapport/engine/recommend_steps.h"

namespace rapport::engine {
namespace {

// The best few of each favourite: enough for a list of ten to be full of it.
constexpr std::size_t kOfEachCategory = 10;
constexpr std::size_t kMaxCategories = 10;

using retrieval::ScoredItem;

// Of a catalogue too large to score whole, so many of the best are looked at: enough for the list
// and its favourites, after filters that are not narrow.
constexpr std::int64_t kOfLargeCatalogue = 2'000;

bool better(const ScoredItem& a, const ScoredItem& b) {
  return a.score != b.score ? a.score > b.score : a.item < b.item;
}

// The best `n` items that `admit` lets in, in no order. A heap with the worst on top: nearly every
// item is dismissed by one comparison, so `admit` is asked of few.
template <typename Admit>
std::vector<ScoredItem> best(const std::vector<ScoredItem>& all, std::size_t n, Admit admit) {
  std::vector<ScoredItem> heap;
  for (const ScoredItem& scored : all) {
    if (heap.size() == n && !better(scored, heap.front())) continue;
    if (!admit(scored.item)) continue;
    if (heap.size() == n) {
      std::pop_heap(heap.begin(), heap.end(), better);
      heap.pop_back();
    }
    heap.push_back(scored);
    std::push_heap(heap.begin(), heap.end(), better);
  }
  return heap;
}

// What would have been among the `n` candidates, by what kept it back.
void tell_refused(const std::vector<ScoredItem>& all, const std::vector<ScoredItem>& chosen,
                  std::size_t n, const Allowed& allowed, std::vector<LeftOut>& left_out) {
  const float least =
      chosen.size() < n ? -std::numeric_limits<float>::infinity() : chosen.front().score;
  std::map<std::string_view, std::int64_t> counts;
  for (const ScoredItem& scored : all) {
    if (scored.score <= least) continue;
    if (const char* why = allowed.refuses(scored.item)) ++counts[why];
  }
  for (const auto& [why, count] : counts) {
    left_out.push_back(
        {fmt::format("{} {}", count, count == 1 ? "item" : "items"), std::string(why)});
  }
}

Result<std::vector<ScoredItem>> score_all(const retrieval::Retriever& model,
                                          const retrieval::Query& query) {
  std::vector<float> scores(static_cast<std::size_t>(model.items()));
  TRY_VOID(model.score({&query, 1}, scores));
  std::vector<ScoredItem> all(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i)
    all[i] = {static_cast<data::ItemIndex>(i), scores[i]};
  return all;
}

}  // namespace

bool reads_history(const retrieval::Retriever& model) {
  return model.kind() != "popularity";
}

Result<std::vector<Candidate>> retrieve(const ServedCatalogue& served,
                                        const retrieval::Retriever& model, const Taste& taste,
                                        const Allowed& allowed, std::int64_t k,
                                        const RecommendOptions& options,
                                        std::vector<LeftOut>& left_out) {
  // Twice the list, so that balance has a choice.
  const auto n = static_cast<std::size_t>(std::max(options.candidates, 2 * k));
  std::vector<CategoryIndex> categories;
  const auto want = [&](std::span<const CategoryIndex> more) {
    for (const CategoryIndex each : more)
      if (std::ranges::find(categories, each) == categories.end()) categories.push_back(each);
  };
  for (const Mood& mood : taste.moods) want(mood.raised);
  want(taste.favourites);
  if (!reads_history(model)) {
    for (const Interest& interest : taste.interests) want({&interest.category, 1});
  }
  categories.resize(std::min(categories.size(), kMaxCategories));

  const retrieval::Query query{.history = taste.sequence};
  const auto admit = [&](data::ItemIndex item) { return allowed.refuses(item) == nullptr; };
  std::vector<Candidate> candidates;
  std::unordered_set<data::ItemIndex> known;
  const auto add = [&](const std::vector<ScoredItem>& chosen) {
    for (const ScoredItem& each : chosen) {
      if (known.insert(each.item).second) candidates.push_back({each.item, each.score, 0});
    }
  };
  // Of all that is `scored`; false when a list is not full, where there may be more elsewhere.
  const auto choose = [&](const std::vector<ScoredItem>& scored) {
    candidates.clear();
    known.clear();
    const std::vector<ScoredItem> pool = best(scored, n, admit);
    bool full = pool.size() == n;
    add(pool);
    for (const CategoryIndex category : categories) {
      const auto of_category = best(scored, kOfEachCategory, [&](data::ItemIndex item) {
        return std::ranges::binary_search(served.categories(item), category) && admit(item);
      });
      full = full && of_category.size() == kOfEachCategory;
      add(of_category);
    }
    tell_refused(scored, pool, n, allowed, left_out);
    return full;
  };

  if (model.is_indexed() && n <= kOfLargeCatalogue) {
    std::vector<LeftOut> left_out_before = left_out;
    TRY(const auto scored, top_items(model, query, kOfLargeCatalogue, {}));
    if (choose(scored)) return candidates;
    left_out = std::move(left_out_before);  // the filters are narrow: look at all
  }
  TRY(const auto scored, score_all(model, query));
  choose(scored);
  return candidates;
}

}  // namespace rapport::engine
