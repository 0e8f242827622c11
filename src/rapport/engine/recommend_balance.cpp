#include <algorithm>
#include <limits>

#include "rapport/engine/recommend_steps.h"

namespace rapport::engine {

std::vector<Candidate> balance(const std::vector<Candidate>& candidates, std::int64_t k,
                               double diversity, const ServedCatalogue& served) {
  const std::size_t wanted = std::min(static_cast<std::size_t>(k), candidates.size());
  if (diversity <= 0) {
    return {candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(wanted)};
  }
  // Scores in [0, 1], as similarities are.
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Candidate& each : candidates) {
    low = std::min(low, each.fused);
    high = std::max(high, each.fused);
  }
  const double width = high > low ? high - low : 1;

  std::vector<Candidate> chosen;
  std::vector<bool> taken(candidates.size(), false);
  std::vector<double> nearest(candidates.size(), 0);  // similarity to the nearest one chosen
  while (chosen.size() < wanted) {
    std::size_t best = candidates.size();
    double best_value = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (taken[i]) continue;
      const double relevance = (candidates[i].fused - low) / width;
      const double value = (1 - diversity) * relevance - diversity * nearest[i];
      // The first is taken even if its value is no number: something has to be.
      if (best == candidates.size() || value > best_value) {
        best = i;
        best_value = value;
      }
    }
    taken[best] = true;
    chosen.push_back(candidates[best]);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (taken[i]) continue;
      nearest[i] =
          std::max(nearest[i], served.similarity(candidates[i].item, candidates[best].item));
    }
  }
  return chosen;
}

}  // namespace rapport::engine
