#include <algorithm>
#include <cmath>

#include "rapport/engine/recommend_steps.h"

namespace rapport::engine {

void rank(std::vector<Candidate>& candidates, const Taste& taste, const ServedCatalogue& served,
          bool reads_history, const RecommendOptions& options) {
  if (candidates.empty()) return;
  const auto count = static_cast<double>(candidates.size());
  double sum = 0, squares = 0;
  for (const Candidate& each : candidates) sum += each.score;
  const double mean = sum / count;
  for (const Candidate& each : candidates) squares += (each.score - mean) * (each.score - mean);
  // Equal scores say nothing: then the weights alone decide.
  const double deviation = squares > 0 ? std::sqrt(squares / count) : 1;

  for (Candidate& each : candidates) {
    each.fused = (each.score - mean) / deviation;
    const auto categories = served.categories(each.item);
    const bool favourite = std::ranges::any_of(taste.favourites, [&](CategoryIndex category) {
      return std::ranges::binary_search(categories, category);
    });
    if (favourite) each.fused += options.favourite_weight;
    // A model that reads the history knows of its interests, and better.
    if (reads_history) continue;
    double share = 0;
    for (const Interest& interest : taste.interests) {
      if (std::ranges::binary_search(categories, interest.category)) share += interest.share;
    }
    each.fused += options.interest_weight * share;
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return a.fused != b.fused ? a.fused > b.fused : a.item < b.item;
  });
}

}  // namespace rapport::engine
