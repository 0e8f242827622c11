#include "rapport/palr/ranker_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "rapport/base/random.h"

namespace rapport::palr {
namespace {

constexpr evaluation::Metric kChosenBy = evaluation::ndcg_at(evaluation::Metric::kAllItems);

/// A part of the users, held back from a trainer of its own.
struct Fold {
  std::vector<std::size_t> held;  // lists
  RankingLists learned, measured;
  std::unique_ptr<RankerTrainer> trainer = nullptr;
  std::vector<float> scores = {};  // [candidates of `measured`]
  std::optional<Error> error = std::nullopt;
};

/// Lists with and without their target are dealt apart, so that each fold has its share of both.
std::vector<Fold> deal(const RankingLists& lists, std::int64_t folds, std::uint64_t seed) {
  std::vector<std::size_t> order(lists.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  base::SplitMix64 random(seed);
  base::shuffle(std::span(order), random);
  std::stable_partition(order.begin(), order.end(),
                        [&](std::size_t list) { return lists.targets[list] >= 0; });
  std::vector<Fold> dealt(static_cast<std::size_t>(folds));
  std::vector<std::vector<std::size_t>> rest(dealt.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::size_t f = 0; f < dealt.size(); ++f)
      (i % dealt.size() == f ? dealt[f].held : rest[f]).push_back(order[i]);
  }
  for (std::size_t f = 0; f < dealt.size(); ++f) {
    dealt[f].learned = lists.subset(rest[f]);
    dealt[f].measured = lists.subset(dealt[f].held);
    dealt[f].scores.resize(static_cast<std::size_t>(dealt[f].measured.candidates()));
  }
  return dealt;
}

Result<void> first_error(std::span<const Fold> folds) {
  for (const Fold& fold : folds)
    if (fold.error) return fail(*fold.error);
  return {};
}

Result<void> go_on(const RankerContext& context) {
  if (context.stop_token.stop_requested())
    return fail(ErrorCode::kCancelled, "the training of the ranker was stopped");
  return {};
}

class Search {
 public:
  Search(const RankingLists& lists, const RankerOptions& options, const RankerContext& context)
      : lists_(lists), options_(options), context_(context), threads_(context.threads) {}

  /// Tries rounds until none was better for long; fills the result's course.
  Result<void> run(const RankerKind& kind, Ranking& result) {
    folds_ = deal(lists_, options_.folds, seed(0));
    each_fold([&](Fold& fold) -> Result<void> {
      TRY(fold.trainer, kind.train(fold.learned, fold.measured, options_, seed(1)));
      return {};
    });
    TRY_VOID(first_error(folds_));
    double best = -1;
    for (std::int64_t round = 1; round <= options_.rounds; ++round) {
      TRY_VOID(go_on(context_));
      each_fold([](Fold& fold) -> Result<void> {
        TRY_VOID(fold.trainer->advance());
        return fold.trainer->score_measured(fold.scores);
      });
      TRY_VOID(first_error(folds_));
      double ndcg = 0;
      for (const Fold& fold : folds_)
        ndcg +=
            mean_of(kChosenBy, fold.measured, fold.scores) * static_cast<double>(fold.held.size());
      ndcg /= static_cast<double>(lists_.size());
      result.course.push_back(ndcg);
      if (context_.on_progress)
        context_.on_progress({.round = round, .rounds = options_.rounds, .ndcg = ndcg});
      if (ndcg > best) {
        best = ndcg;
        result.rounds = round;
        keep_scores(result.held_back);
      }
      if (round - result.rounds >= options_.patience) break;
    }
    return {};
  }

  std::uint64_t seed(std::uint64_t use) const {
    base::SplitMix64 random(static_cast<std::uint64_t>(context_.seed) * 4 + use);
    return random.next();
  }

 private:
  void each_fold(const std::function<Result<void>(Fold&)>& work) {
    threads_.each(static_cast<std::int64_t>(folds_.size()), [&](std::int64_t f) {
      Fold& fold = folds_[static_cast<std::size_t>(f)];
      if (auto done = work(fold); !done) fold.error = std::move(done).error();
    });
  }

  void keep_scores(std::vector<float>& scores) const {
    scores.resize(static_cast<std::size_t>(lists_.candidates()));
    for (const Fold& fold : folds_) {
      auto from = fold.scores.begin();
      for (const std::size_t list : fold.held) {
        const std::int64_t count = lists_.candidates(list);
        std::copy_n(from, count, scores.begin() + lists_.offsets[list]);
        from += count;
      }
    }
  }

  const RankingLists& lists_;
  const RankerOptions& options_;
  const RankerContext& context_;
  retrieval::TrainingThreads threads_;
  std::vector<Fold> folds_;
};

}  // namespace

Result<Ranking> train_ranker(const RankingLists& lists, const RankerOptions& options,
                             const RankerContext& context) {
  TRY_VOID(options.check());
  const auto taught = std::ranges::count_if(lists.targets, [](auto place) { return place >= 0; });
  if (taught < options.folds)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("of {} users {} have their next item among the candidates: a ranker "
                            "learns from them, and at least the {} of the folds are needed; take "
                            "more candidates or more users",
                            lists.size(), taught, options.folds));
  TRY(const RankerKind* const kind, find_ranker_kind(options.ranker));
  Ranking result;
  Search search(lists, options, context);
  TRY_VOID(search.run(*kind, result));
  TRY(const auto trainer, kind->train(lists, {.columns = lists.columns}, options, search.seed(1)));
  for (std::int64_t round = 1; round <= result.rounds; ++round) {
    TRY_VOID(go_on(context));
    TRY_VOID(trainer->advance());
    if (context.on_progress)
      context.on_progress({.round = round, .rounds = result.rounds, .is_final = true});
  }
  TRY(result.ranker, trainer->ranker());
  return result;
}

}  // namespace rapport::palr
