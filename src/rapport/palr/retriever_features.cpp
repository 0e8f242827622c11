#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rapport/palr/feature_families.h"

namespace rapport::palr {

FeatureFamily retriever_features(std::span<const CandidateSource> sources) {
  FeatureFamily family;
  for (const CandidateSource& source : sources) {
    family.features.push_back(
        {source.name + "_score",
         fmt::format(
             "score of {}, in damped standard deviations of all that the user has not taken",
             source.name),
         fmt::format("its score by {}", source.name)});
    family.features.push_back(
        {source.name + "_rank",
         fmt::format("log(1 + rank) by {}, from 0; its k + 1 beyond its best k", source.name),
         fmt::format("its place by {}", source.name)});
  }
  // With one source that proposes they would repeat its rank.
  const bool merged = std::ranges::count(sources, true, &CandidateSource::proposes) > 1;
  if (merged) {
    family.features.push_back({"proposals", "how many retrievers have it among their best",
                               "how many models propose it"});
    family.features.push_back({"best_rank", "log(1 + rank) by the retriever that ranks it highest",
                               "its best place by any model"});
  }
  family.compute = [merged](const FeatureInput& input, std::span<float> values) -> Result<void> {
    const Pool& pool = input.pool;
    auto value = values.begin();
    for (std::size_t i = 0; i < pool.size(); ++i) {
      std::int32_t best = pool.rank(i, 0);
      float proposals = 0;
      for (std::size_t s = 0; s < static_cast<std::size_t>(pool.sources); ++s) {
        const std::int32_t rank = pool.rank(i, s);
        *value++ = pool.score(i, s);
        *value++ = std::log1p(static_cast<float>(rank));
        if (s >= pool.proposing()) continue;
        best = std::min(best, rank);
        proposals += rank < pool.best ? 1.0f : 0.0f;
      }
      if (!merged) continue;
      *value++ = proposals;
      *value++ = std::log1p(static_cast<float>(best));
    }
    return {};
  };
  return family;
}

}  // namespace rapport::palr
