#include "rapport/evaluation/full_ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <thread>

#include "rapport/base/in_parallel.h"
#include "rapport/base/random.h"

namespace rapport::evaluation {
namespace {

constexpr std::int64_t kMaxUsersInABlock = 512;

/// A user to rank, and the place in the result that the rank belongs to.
struct Task {
  data::HeldOut held_out;
  data::UserIndex user = 0;
  std::size_t place = 0;
};

// A partial Fisher-Yates shuffle, then back into the order of users.
void draw_sample(std::vector<data::UserIndex>& users, std::int64_t sample, std::uint64_t seed) {
  if (sample == 0 || sample >= static_cast<std::int64_t>(users.size())) return;
  const auto wanted = static_cast<std::size_t>(sample);
  base::SplitMix64 random(seed);
  for (std::size_t i = 0; i < wanted; ++i) {
    // The remainder favours low places by less than users / 2^64.
    const std::uint64_t drawn = i + random.next() % (users.size() - i);
    std::swap(users[i], users[static_cast<std::size_t>(drawn)]);
  }
  users.resize(wanted);
  std::ranges::sort(users);
}

void mask_history(const data::HeldOut& held_out, std::span<float> scores) {
  for (const data::ItemIndex item : held_out.history) {
    if (item != held_out.target)
      scores[static_cast<std::size_t>(item)] = -std::numeric_limits<float>::infinity();
  }
}

/// What the threads share: the next block to take, and the first error.
class Ranking {
 public:
  Ranking(std::vector<Task> tasks, std::int64_t items, const Scorer& scorer,
          const FullRankingOptions& options, FullRanking& result)
      : tasks_(std::move(tasks)),
        items_(static_cast<std::size_t>(items)),
        block_(users_in_a_block(items, options.block_bytes)),
        scorer_(scorer),
        options_(options),
        result_(result) {}

  // One thread's work: blocks until there are none left or one failed.
  void work() {
    std::vector<float> scores;
    while (!failed_) {
      const std::size_t start = next_.fetch_add(block_);
      if (start >= tasks_.size()) return;
      const auto tasks = std::span(tasks_).subspan(start, std::min(block_, tasks_.size() - start));
      if (auto ranked = rank(tasks, scores); !ranked) {
        const std::scoped_lock lock(mutex_);
        if (!error_) error_ = std::move(ranked).error();
        failed_ = true;
        return;
      }
      if (options_.progress) {
        const std::scoped_lock lock(mutex_);
        done_ += static_cast<std::int64_t>(tasks.size());
        options_.progress(done_, static_cast<std::int64_t>(tasks_.size()));
      }
    }
  }

  std::size_t blocks() const { return (tasks_.size() + block_ - 1) / block_; }
  const std::optional<Error>& error() const { return error_; }

 private:
  static std::size_t users_in_a_block(std::int64_t items, std::int64_t bytes) {
    const std::int64_t fit = bytes / (items * static_cast<std::int64_t>(sizeof(float)));
    return static_cast<std::size_t>(std::clamp<std::int64_t>(fit, 1, kMaxUsersInABlock));
  }

  Result<void> rank(std::span<const Task> tasks, std::vector<float>& scores) {
    std::vector<Query> queries;
    queries.reserve(tasks.size());
    for (const Task& task : tasks)
      queries.push_back({.user = task.user, .history = task.held_out.history});
    scores.resize(tasks.size() * items_);
    TRY_VOID(scorer_(queries, scores));
    for (std::size_t row = 0; row < tasks.size(); ++row) {
      const auto of_user = std::span(scores).subspan(row * items_, items_);
      const Task& task = tasks[row];
      mask_history(task.held_out, of_user);
      result_.users[task.place].rank = rank_against_ties(of_user, task.held_out.target);
    }
    return {};
  }

  const std::vector<Task> tasks_;
  const std::size_t items_;
  const std::size_t block_;
  const Scorer& scorer_;
  const FullRankingOptions& options_;
  FullRanking& result_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;  // of what follows, and of calls to progress
  std::int64_t done_ = 0;
  std::optional<Error> error_;
};

Result<void> check(const FullRankingOptions& options) {
  if (options.sample < 0 || options.threads < 0 || options.block_bytes <= 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("evaluation: a sample of {} users on {} threads in blocks of {} bytes: "
                            "neither may be negative, nor a block empty",
                            options.sample, options.threads, options.block_bytes));
  }
  return {};
}

}  // namespace

RankingMetrics FullRanking::metrics() const {
  RankingMetrics metrics;
  for (const RankedUser& user : users) metrics.add(user.rank, user.weight);
  return metrics;
}

Result<FullRanking> rank_held_out(const data::Dataset& dataset, const Scorer& scorer,
                                  const FullRankingOptions& options) {
  TRY_VOID(check(options));
  FullRanking ranking;
  std::vector<data::UserIndex> users;
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    if (data::held_out(dataset, user, options.split)) {
      users.push_back(user);
    } else {
      ++ranking.skipped;
    }
  }
  if (users.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("data set \"{}\": none of its {} users has the three interactions that "
                            "training, validation and test take; prepare it with --min-count 3",
                            dataset.name(), dataset.users()));
  }
  draw_sample(users, options.sample, options.seed);

  std::vector<Task> tasks;
  for (std::size_t place = 0; place < users.size(); ++place) {
    const data::UserIndex user = users[place];
    ranking.users.push_back({.user = user, .weight = dataset.weight(user)});
    tasks.push_back({*data::held_out(dataset, user, options.split), user, place});
  }
  std::ranges::stable_sort(tasks, std::greater{},
                           [](const Task& task) { return task.held_out.history.size(); });

  Ranking shared(std::move(tasks), dataset.items(), scorer, options, ranking);
  const std::size_t wanted = base::thread_count(options.threads);
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < std::min(wanted, shared.blocks()); ++i)
      others.emplace_back([&shared] { shared.work(); });
    shared.work();
  }
  if (shared.error()) return fail(*shared.error());
  return ranking;
}

}  // namespace rapport::evaluation
