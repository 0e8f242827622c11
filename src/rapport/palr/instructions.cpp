#include "rapport/palr/instructions.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/base/random.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/palr/affinity.h"
#include "rapport/palr/lot.h"

namespace rapport::palr {
namespace {

using Items = std::span<const data::ItemIndex>;

constexpr const char* kRecommend = "recommend";
constexpr const char* kRetrieval = "recommend_retrieval";

/// A number that follows from the seed and the user.
base::SplitMix64 chance_of(std::int64_t seed, data::UserIndex user) {
  base::SplitMix64 first(static_cast<std::uint64_t>(seed));
  return base::SplitMix64(first.next() ^ (static_cast<std::uint64_t>(user) * 0x9e3779b97f4a7c15u));
}

std::size_t draw(base::SplitMix64& random, std::size_t bound) {
  return base::below(static_cast<std::uint32_t>(random.next() >> 32), bound);
}

class Writer {
 public:
  Writer(const data::Dataset& dataset, std::span<const CandidateSource> sources,
         const InstructionOptions& options, std::int64_t seed)
      : dataset_(dataset), sources_(sources), options_(options), seed_(seed), affinity_(dataset) {}

  /// Adds the user's to `made`.
  Result<void> write(data::UserIndex user, std::vector<Instruction>& made) const {
    base::SplitMix64 random = chance_of(seed_, user);
    if (options_.task == kRecommend) {
      write_windows(user, random, made);
      return {};
    }
    const auto held_out = data::held_out(dataset_, user, data::Split::kValidation);
    if (!held_out || held_out->history.empty()) return {};
    Instruction one{.user = user, .history = {}, .candidates = {}, .answers = {held_out->target}};
    one.history = shown(user, held_out->history, one.answers);
    TRY(one.candidates, candidates_with(user, held_out->history, held_out->target, random));
    made.push_back(std::move(one));
    return {};
  }

 private:
  void write_windows(data::UserIndex user, base::SplitMix64& random,
                     std::vector<Instruction>& made) const {
    Items known = data::training_history(dataset_, user);
    for (std::int64_t w = 0; w < options_.windows && known.size() > 1; ++w) {
      // One item has to be left to recommend by.
      const auto count = std::min(static_cast<std::size_t>(options_.answers), known.size() - 1);
      Instruction one{.user = user, .history = {}, .candidates = {}, .answers = {}};
      one.answers.assign(known.end() - static_cast<std::ptrdiff_t>(count), known.end());
      known = known.first(known.size() - count);
      one.history = shown(user, known, one.answers);
      swap(one, random);
      made.push_back(std::move(one));
    }
  }

  std::vector<data::ItemIndex> shown(data::UserIndex user, Items known, Items answers) const {
    const auto newest =
        known.last(std::min(known.size(), static_cast<std::size_t>(options_.history)));
    std::vector<data::ItemIndex> history;
    const auto wanted = static_cast<std::size_t>(std::min(options_.enrich_below, options_.history));
    if (newest.size() < wanted) {
      history = affinity_.nearest(user, known, wanted - newest.size(), answers);
      std::ranges::reverse(history);  // the nearest beside what was taken
    }
    history.insert(history.end(), newest.begin(), newest.end());
    return history;
  }

  void swap(Instruction& made, base::SplitMix64& random) const {
    for (data::ItemIndex& item : made.history) {
      if (static_cast<double>(random.next() >> 11) * 0x1p-53 >= options_.swap) continue;
      std::swap(item, made.answers[draw(random, made.answers.size())]);
    }
  }

  /// The best of the sources for the history, among them some of the best for the answer alone,
  /// which are like it; the answer, whether they propose it or not; in an order by lot.
  Result<std::vector<data::ItemIndex>> candidates_with(data::UserIndex user, Items history,
                                                       data::ItemIndex answer,
                                                       base::SplitMix64& random) const {
    const auto count = static_cast<std::size_t>(options_.candidates);
    const auto similar = static_cast<std::size_t>(options_.similar * static_cast<double>(count));
    std::vector<data::ItemIndex> chosen = {answer};
    const auto take = [&](const Pool& pool, std::size_t until) {
      std::vector<std::size_t> order = best_first(pool);
      for (std::size_t i = 0; i < order.size() && chosen.size() < until; ++i) {
        const data::ItemIndex item = pool.items[order[i]];
        if (!holds(chosen, item) && !holds(history, item)) chosen.push_back(item);
      }
    };
    const PoolOptions of_each{.best = options_.candidates};
    const data::ItemIndex alone[] = {answer};
    TRY(const Pool like_answer, candidates(sources_, {.history = alone}, of_each));
    take(like_answer, std::min(count, 1 + similar));
    TRY(const Pool of_user, candidates(sources_, {.user = user, .history = history}, of_each));
    take(of_user, count);
    base::shuffle(std::span(chosen), random);
    return chosen;
  }

  const data::Dataset& dataset_;
  std::span<const CandidateSource> sources_;
  const InstructionOptions& options_;
  std::int64_t seed_;
  Affinity affinity_;
};

}  // namespace

void InstructionOptions::describe(base::OptionSet& set) {
  set.add("task", task, "recommend (history alone) or recommend_retrieval (with candidates)");
  set.add("fraction", fraction, "of the users that are learnt from", 1e-6, 1);
  set.add("strata", strata, "what they are drawn by: age, gender, occupation, region, activity");
  set.add("history", history, "newest items of it that are shown", 1, 1000);
  set.add("profile", profile, "keywords that the history bears out, shown beside it; 0: none", 0,
          100);
  set.add("enrich_below", enrich_below,
          "shorter histories are filled up to so many by 3-hop affinity", 0, 1000);
  set.add("candidates", candidates, "recommend_retrieval: shown", 2, 52);
  set.add("similar", similar, "recommend_retrieval: share of them that are like the answer", 0, 1);
  set.add("answers", answers, "recommend: newest items that are the answer", 1, 100);
  set.add("windows", windows, "recommend: examples of a user, each that many items earlier", 1,
          1000);
  set.add("swap", swap, "recommend: chance that an item changes places with an answer", 0, 1);
}

Result<void> InstructionOptions::check() const {
  if (task != kRecommend && task != kRetrieval)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("task is \"{}\": expected {} or {}", task, kRecommend, kRetrieval),
                "task");
  return {};
}

Result<std::vector<Instruction>> instructions(const data::Dataset& dataset,
                                              std::span<const CandidateSource> sources,
                                              const InstructionOptions& options, std::int64_t seed,
                                              const std::function<Result<void>(double)>& step) {
  TRY_VOID(options.check());
  if (options.task == kRetrieval && sources.empty())
    return fail(ErrorCode::kInvalidArgument,
                "recommend_retrieval needs a model that candidates come from", "models");
  TRY(const Lot lot, draw(dataset, {options.fraction, options.strata, seed}));
  const std::vector<data::UserIndex>& users = lot.users;
  const Writer writer(dataset, sources, options, seed);
  std::vector<Instruction> made;
  for (std::size_t i = 0; i < users.size(); ++i) {
    TRY_VOID(writer.write(users[i], made));
    if (step) TRY_VOID(step(static_cast<double>(i + 1) / static_cast<double>(users.size())));
  }
  return made;
}

}  // namespace rapport::palr
