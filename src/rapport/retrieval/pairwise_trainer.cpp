#include "rapport/retrieval/pairwise_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <numbers>
#include <thread>

#include "rapport/data/leave_one_out.h"
#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/factor_model.h"
#include "rapport/retrieval/pairwise_sgd.h"

namespace rapport::retrieval {
namespace {

/// Length of a row of factors at the beginning: products then differ by .01, so that the slopes are
/// those of a coin's toss.
constexpr double kInitialLength = 0.1;

using Histories = std::vector<std::span<const data::ItemIndex>>;

Histories training_histories(const data::Dataset& dataset) {
  Histories histories;
  for (data::UserIndex user = 0; user < dataset.users(); ++user)
    histories.push_back(data::training_history(dataset, user));
  return histories;
}

std::vector<PairwiseExample> examples_of(const Histories& histories, bool transitions) {
  std::vector<PairwiseExample> examples;
  for (std::size_t user = 0; user < histories.size(); ++user) {
    const auto history = histories[user];
    for (std::size_t i = transitions ? 1 : 0; i < history.size(); ++i)
      examples.push_back({.user = static_cast<data::UserIndex>(user),
                          .item = history[i],
                          .previous = transitions ? history[i - 1] : 0});
  }
  return examples;
}

class Trainer {
 public:
  Trainer(const data::Dataset& dataset, Histories histories, const PairwiseOptions& options,
          const FactorShape& shape, const FitContext& context)
      : dataset_(dataset),
        context_(context),
        shape_(shape),
        layout_(factor_weights(shape)),
        options_(options),
        threads_(context.threads > 0
                     ? static_cast<std::size_t>(context.threads)
                     : std::max<std::size_t>(1, std::thread::hardware_concurrency())),
        pool_("train", threads_, threads_),
        histories_(std::move(histories)),
        sgd_(examples_of(histories_, shape.transitions), KnownItems(histories_), shape.users,
             shape.items, shape.transitions),
        weights_(static_cast<std::size_t>(layout_.total)) {
    initialise();
    best_ = weights_;
  }

  Result<double> run_epoch(std::int64_t epoch) {
    if (context_.stop_token.stop_requested())
      return fail(ErrorCode::kCancelled,
                  fmt::format("stopped before epoch {}{}", epoch,
                              context_.checkpoint.empty() ? "" : ": go on with --resume"));
    const auto key =
        static_cast<std::uint64_t>(context_.seed) * 1'000'003 + static_cast<std::uint64_t>(epoch);
    const double decay = std::pow(options_.learning_rate_decay, static_cast<double>(epoch - 1));
    return sgd_.run_epoch(layout_.factors(shape_, weights_),
                          {.learning_rate = static_cast<float>(options_.learning_rate * decay),
                           .regularisation = static_cast<float>(options_.regularisation),
                           .popular_negatives = static_cast<float>(options_.popular_negatives)},
                          key, pool_, threads_);
  }

  Result<double> validate() {
    const FactorModel model(shape_, weights_);
    TRY(const auto ranking,
        evaluation::rank_held_out(
            dataset_,
            [&model](std::span<const Query> queries, std::span<float> scores) {
              return model.score(queries, scores);
            },
            {.split = data::Split::kValidation, .threads = static_cast<std::int64_t>(threads_)}));
    return ranking.metrics().mean(evaluation::ndcg_at(10));
  }

  void keep_best() { best_ = weights_; }

  void save(base::SafetensorsWriter& writer) const {
    const auto size = static_cast<std::int64_t>(weights_.size());
    writer.add("weights", {size}, weights_);
    writer.add("best", {size}, best_);
  }

  Result<void> load(const base::Safetensors& file) {
    const std::vector<std::int64_t> shape{static_cast<std::int64_t>(weights_.size())};
    TRY(auto weights, file.read_floats("weights", shape));
    TRY(auto best, file.read_floats("best", shape));
    weights_ = std::move(weights);
    best_ = std::move(best);
    return {};
  }

  std::unique_ptr<Retriever> best_model() {
    fit_fold_in(shape_, histories_, best_);
    return std::make_unique<FactorModel>(shape_, best_);
  }

 private:
  void initialise() {
    base::SplitMix64 random(static_cast<std::uint64_t>(context_.seed));
    const auto uniform = [&] { return (static_cast<double>(random.next() >> 11) + 0.5) * 0x1p-53; };
    const double deviation = kInitialLength / std::sqrt(static_cast<double>(shape_.dimension));
    const auto draw = [&](float* rows, std::int64_t count) {
      for (float& value : std::span(rows, static_cast<std::size_t>(count * shape_.dimension)))
        value = static_cast<float>(deviation * std::sqrt(-2 * std::log(uniform())) *
                                   std::cos(2 * std::numbers::pi * uniform()));
    };
    const PairwiseFactors factors = layout_.factors(shape_, weights_);
    draw(factors.user, shape_.users);
    draw(factors.item, shape_.items);
    if (shape_.transitions) {
      draw(factors.previous, shape_.items);
      draw(factors.next, shape_.items);
    }
    for (std::size_t user = 0; user < histories_.size(); ++user) {
      const HistoryMark mark = mark_of(histories_[user]);
      weights_[static_cast<std::size_t>(layout_.trained_on) + 2 * user] = mark.length;
      weights_[static_cast<std::size_t>(layout_.trained_on) + 2 * user + 1] = mark.hash;
    }
  }

  const data::Dataset& dataset_;
  const FitContext& context_;
  const FactorShape shape_;
  const FactorWeights layout_;
  const PairwiseOptions& options_;
  const std::size_t threads_;
  base::ThreadPool pool_;
  const Histories histories_;
  PairwiseSgd sgd_;
  std::vector<float> weights_, best_;
};

Result<Fit> train(const data::Dataset& dataset, const PairwiseOptions& options,
                  const FactorShape& shape, const FitContext& context) {
  // An item before the one to predict, where there are transitions; one that is not known, always.
  Histories histories = training_histories(dataset);
  const std::size_t fewest = shape.transitions ? 2 : 1;
  const bool has_work = std::ranges::any_of(histories, [&](const auto& history) {
    return history.size() >= fewest && static_cast<std::int64_t>(history.size()) < dataset.items();
  });
  if (!has_work)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has no user with {} interactions who does not know every item: "
                            "there is nothing to learn from",
                            dataset.name(), shape.transitions ? "four" : "three"),
                "data");

  Trainer trainer(dataset, std::move(histories), options, shape, context);
  TrainingLoop loop(options.loop,
                    {.run_epoch = [&](std::int64_t epoch) { return trainer.run_epoch(epoch); },
                     .validate = [&] { return trainer.validate(); },
                     .keep_best = [&] { trainer.keep_best(); },
                     .save_state = [&](base::SafetensorsWriter& w) { trainer.save(w); },
                     .load_state = [&](const base::Safetensors& f) { return trainer.load(f); }});
  Fit fit;
  TRY(fit.report, loop.run(context, {{"kind", shape.transitions ? "fpmc" : "bprmf"},
                                     {"options", options.to_json()},
                                     {"seed", context.seed},
                                     {"data", dataset.checksum()}}));
  fit.model = trainer.best_model();
  fit.seed = context.seed;
  fit.options = options.to_json();
  return fit;
}

}  // namespace

Result<Fit> train_pairwise(const data::Dataset& dataset, const PairwiseOptions& options,
                           bool transitions, const FitContext& context) {
  const FactorShape shape{.users = dataset.users(),
                          .items = dataset.items(),
                          .dimension = options.dimension,
                          .transitions = transitions};
  try {
    return train(dataset, options, shape, context);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kInternal,
                fmt::format("the factors of {} users and {} items of dimension {} do not fit into "
                            "memory: lower dimension",
                            shape.users, shape.items, shape.dimension));
  }
}

}  // namespace rapport::retrieval
