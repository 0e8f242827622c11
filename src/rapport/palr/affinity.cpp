#include "rapport/palr/affinity.h"

#include <algorithm>
#include <unordered_map>

#include "rapport/data/leave_one_out.h"
#include "rapport/palr/candidates.h"

namespace rapport::palr {

Affinity::Affinity(const data::Dataset& dataset)
    : histories_(data::training_histories(dataset)),
      takers_(static_cast<std::size_t>(dataset.items())) {
  for (std::size_t user = 0; user < histories_.size(); ++user)
    for (const data::ItemIndex item : histories_[user])
      takers_[static_cast<std::size_t>(item)].push_back(static_cast<data::UserIndex>(user));
}

std::vector<data::ItemIndex> Affinity::nearest(data::UserIndex user,
                                               std::span<const data::ItemIndex> history,
                                               std::size_t count,
                                               std::span<const data::ItemIndex> excluded) const {
  std::unordered_map<data::ItemIndex, double> chances;
  for (const data::ItemIndex taken : history) {
    const auto& takers = takers_[static_cast<std::size_t>(taken)];
    for (const data::UserIndex other : takers) {
      if (other == user) continue;
      const auto& theirs = histories_[static_cast<std::size_t>(other)];
      const double chance =
          1 / (static_cast<double>(takers.size()) * static_cast<double>(theirs.size()));
      for (const data::ItemIndex item : theirs) chances[item] += chance;
    }
  }
  for (const data::ItemIndex item : history) chances.erase(item);
  for (const data::ItemIndex item : excluded) chances.erase(item);
  std::vector<std::pair<double, data::ItemIndex>> order;
  for (const auto& [item, chance] : chances) order.emplace_back(chance, item);
  const auto likelier = [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : tie_breaker(a.second) < tie_breaker(b.second);
  };
  const std::size_t kept = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    likelier);
  std::vector<data::ItemIndex> nearest;
  for (std::size_t i = 0; i < kept; ++i) nearest.push_back(order[i].second);
  return nearest;
}

}  // namespace rapport::palr
