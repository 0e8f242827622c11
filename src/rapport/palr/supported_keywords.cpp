#include "rapport/palr/supported_keywords.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

namespace rapport::palr {
namespace {

/// Of `count` successes in `trials`, against a chance of each; negative where there are fewer than
/// that.
double log_likelihood_ratio(double count, double trials, double chance) {
  const auto part = [](double observed, double expected) {
    return observed > 0 ? observed * std::log(observed / expected) : 0.0;
  };
  const double ratio = part(count, trials * chance) + part(trials - count, trials * (1 - chance));
  return count >= trials * chance ? ratio : -ratio;
}

}  // namespace

std::vector<PreferenceKeyword> supported_keywords(std::span<const data::ItemIndex> history,
                                                  const Vocabulary& vocabulary,
                                                  std::int64_t count) {
  std::map<std::int32_t, std::vector<data::ItemIndex>> evidence;
  for (const data::ItemIndex item : history)
    for (const std::int32_t keyword : vocabulary.of(item)) evidence[keyword].push_back(item);
  // One item bears nothing out, unless there is hardly more.
  const std::size_t least = history.size() > 3 ? 2 : 1;
  std::vector<PreferenceKeyword> supported;
  for (auto& [number, items] : evidence) {
    if (items.size() < least) continue;
    const Keyword& keyword = vocabulary.keyword(number);
    const double chance =
        static_cast<double>(keyword.items.size()) / static_cast<double>(vocabulary.items());
    const double support = log_likelihood_ratio(static_cast<double>(items.size()),
                                                static_cast<double>(history.size()), chance);
    if (support <= 0) continue;
    supported.push_back({.keyword = number,
                         .text = keyword.text,
                         .kind = keyword.kind,
                         .support = support,
                         .evidence = std::move(items)});
  }
  std::ranges::stable_sort(supported, std::greater(), &PreferenceKeyword::support);
  if (supported.size() > static_cast<std::size_t>(count))
    supported.resize(static_cast<std::size_t>(count));
  return supported;
}

}  // namespace rapport::palr
