#include "rapport/palr/ranking_lists.h"

#include <mutex>
#include <optional>

namespace rapport::palr {

std::span<const float> RankingLists::rows(std::size_t list) const {
  const auto width = static_cast<std::size_t>(columns);
  return std::span(values).subspan(static_cast<std::size_t>(offsets[list]) * width,
                                   static_cast<std::size_t>(candidates(list)) * width);
}

RankingLists RankingLists::subset(std::span<const std::size_t> lists) const {
  RankingLists part{.columns = columns};
  for (const std::size_t list : lists) {
    const auto own = rows(list);
    part.values.insert(part.values.end(), own.begin(), own.end());
    part.offsets.push_back(part.offsets.back() + candidates(list));
    part.targets.push_back(targets[list]);
  }
  return part;
}

Result<RankingLists> ranking_lists(std::span<const HeldOutPool> pools, const FeatureSet& features,
                                   retrieval::TrainingThreads& threads,
                                   const retrieval::WorkStep& step) {
  RankingLists lists{.columns = static_cast<std::int64_t>(features.columns().size())};
  for (const HeldOutPool& each : pools) {
    lists.offsets.push_back(lists.offsets.back() + static_cast<std::int64_t>(each.pool.size()));
    lists.targets.push_back(each.place);
  }
  const auto width = static_cast<std::size_t>(lists.columns);
  lists.values.resize(static_cast<std::size_t>(lists.candidates()) * width);
  std::mutex mutex;
  std::optional<Error> error;
  constexpr std::int64_t kUsersAtOnce = 32;
  const auto work = [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> rows;
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const HeldOutPool& own = pools[i];
      const auto made =
          features.rows({.user = own.user, .history = own.history, .pool = own.pool}, rows);
      if (!made) {
        const std::scoped_lock lock(mutex);
        error = made.error();
        return;
      }
      std::ranges::copy(
          rows, lists.values.begin() + static_cast<std::ptrdiff_t>(
                                           static_cast<std::size_t>(lists.offsets[i]) * width));
    }
  };
  TRY_VOID(
      threads.over_in_rounds(static_cast<std::int64_t>(pools.size()), kUsersAtOnce, step, work));
  if (error) return fail(*std::move(error));
  return lists;
}

std::int64_t rank_in_list(std::span<const float> scores, std::int64_t target) {
  return evaluation::rank_against_ties(scores, static_cast<data::ItemIndex>(target));
}

double mean_of(const evaluation::Metric& metric, const RankingLists& lists,
               std::span<const float> scores) {
  if (lists.size() == 0) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (lists.targets[i] < 0) continue;
    const auto own = scores.subspan(static_cast<std::size_t>(lists.offsets[i]),
                                    static_cast<std::size_t>(lists.candidates(i)));
    sum += metric.of(rank_in_list(own, lists.targets[i]));
  }
  return sum / static_cast<double>(lists.size());
}

}  // namespace rapport::palr
