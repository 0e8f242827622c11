#include "rapport/retrieval/training/fusion_pools.h"

#include <algorithm>
#include <limits>

#include "rapport/data/leave_one_out.h"
#include "rapport/evaluation/ranking_metrics.h"
#include "rapport/evaluation/top_k.h"
#include "rapport/retrieval/standard_scores.h"

namespace rapport::retrieval {
namespace {

/// Scores of all members that one thread holds at a time.
constexpr std::size_t kBlockBytes = std::size_t{16} << 20;

struct Task {
  data::HeldOut held_out;
  Query query;
};

std::vector<Task> tasks_of(const data::Dataset& dataset, std::int64_t most) {
  std::vector<Task> tasks;
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    if (const auto held_out = data::held_out(dataset, user, data::Split::kValidation))
      tasks.push_back({*held_out, {.user = user, .history = held_out->history}});
  }
  const auto all = static_cast<std::int64_t>(tasks.size());
  if (all <= most) return tasks;
  std::vector<Task> some;
  for (std::int64_t i = 0; i < most; ++i)
    some.push_back(tasks[static_cast<std::size_t>(i * all / most)]);
  return some;
}

/// One member's scores of one user, as Fusion adds them up; what the user has seen is below all.
void standardise(std::span<float> row, std::span<const data::ItemIndex> seen,
                 data::ItemIndex target) {
  std::vector<float> standard(row.size(), 0.0f);
  if (const auto scale = standard_scale(row, seen)) add_damped(row, *scale, 1, standard);
  std::ranges::copy(standard, row.begin());
  for (const data::ItemIndex item : seen)
    if (item != target)
      row[static_cast<std::size_t>(item)] = -std::numeric_limits<float>::infinity();
}

/// `rows` [members × items] are one user's scores.
FusionPool pool_of(std::span<float> rows, std::size_t items, const Task& task,
                   const FusionPoolOptions& options) {
  const std::size_t members = rows.size() / items;
  const data::ItemIndex target = task.held_out.target;
  const std::vector<data::ItemIndex> seen = distinct_items(task.held_out.history);
  FusionPool pool;
  std::vector<data::ItemIndex> candidates, best;
  bool complete = false;
  for (std::size_t m = 0; m < members; ++m) {
    const auto row = rows.subspan(m * items, items);
    standardise(row, seen, target);
    pool.ranks.push_back(evaluation::rank_against_ties(row, target));
    evaluation::top_k(row, options.best, best);
    complete = complete || static_cast<std::int64_t>(best.size()) < options.best;
    if (!complete) pool.bar.push_back(row[static_cast<std::size_t>(best.back())]);
    candidates.insert(candidates.end(), best.begin(), best.end());
  }
  if (complete) pool.bar.clear();
  candidates = distinct_items(candidates);
  pool.reached = std::erase(candidates, target) > 0;
  candidates.insert(candidates.begin(), target);
  pool.items = static_cast<std::int64_t>(candidates.size());
  pool.scores.reserve(members * candidates.size());
  for (std::size_t m = 0; m < members; ++m) {
    for (const data::ItemIndex item : candidates)
      pool.scores.push_back(rows[m * items + static_cast<std::size_t>(item)]);
  }
  return pool;
}

}  // namespace

Result<std::vector<FusionPool>> fusion_pools(const data::Dataset& dataset,
                                             std::span<const std::unique_ptr<Retriever>> members,
                                             const FusionPoolOptions& options,
                                             TrainingThreads& threads, const WorkStep& step) {
  const std::vector<Task> tasks = tasks_of(dataset, options.users);
  const auto items = static_cast<std::size_t>(dataset.items());
  const std::size_t block =
      std::clamp<std::size_t>(kBlockBytes / (members.size() * items * sizeof(float)), 1, 128);
  std::vector<FusionPool> pools(tasks.size());
  const auto work = [&](std::int64_t first, std::int64_t last) -> Result<void> {
    const auto begin = static_cast<std::size_t>(first),
               count = static_cast<std::size_t>(last) - begin;
    std::vector<Query> queries;
    for (std::size_t i = 0; i < count; ++i) queries.push_back(tasks[begin + i].query);
    std::vector<float> of_member(count * items);
    std::vector<float> of_user(count * members.size() * items);  // [users × members × items]
    for (std::size_t m = 0; m < members.size(); ++m) {
      TRY_VOID(members[m]->score(queries, of_member));
      for (std::size_t i = 0; i < count; ++i)
        std::copy_n(of_member.data() + i * items, items,
                    of_user.data() + (i * members.size() + m) * items);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const auto rows =
          std::span(of_user).subspan(i * members.size() * items, members.size() * items);
      pools[begin + i] = pool_of(rows, items, tasks[begin + i], options);
      pools[begin + i].weight = static_cast<double>(dataset.weight(tasks[begin + i].query.user));
    }
    return {};
  };
  TRY_VOID(threads.try_in_rounds(static_cast<std::int64_t>(tasks.size()),
                                 static_cast<std::int64_t>(block), step, work));
  return pools;
}

}  // namespace rapport::retrieval
