#include "rapport/retrieval/pairwise_trainer.h"

#include <algorithm>
#include <cmath>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/factor_model.h"
#include "rapport/retrieval/fold_in.h"
#include "rapport/retrieval/initialisation.h"
#include "rapport/retrieval/pairwise_sgd.h"
#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {
namespace {

/// Length of a row of factors at the beginning: products then differ by .01, so that the slopes are
/// those of a coin's toss.
constexpr double kInitialLength = 0.1;

std::vector<PairwiseExample> examples_of(Histories histories, bool transitions) {
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

/// What is trained: the weights of the model behind the users' factors.
struct TrainedWeights : WeightLayout {
  std::int64_t user = 0, item = 0, bias = 0, previous = 0, next = 0;

  TrainedWeights(std::int64_t users, const FactorShape& shape) {
    const std::int64_t d = shape.dimension;
    user = add("user_factors", {users, d});
    item = add("item_factors", {shape.items, d});
    bias = add("item_bias", {shape.items});
    if (!shape.transitions) return;
    previous = add("previous_factors", {shape.items, d});
    next = add("next_factors", {shape.items, d});
  }

  PairwiseFactors factors(const FactorShape& shape, float* weights) const {
    return {.dimension = shape.dimension,
            .user = weights + user,
            .item = weights + item,
            .bias = weights + bias,
            .previous = shape.transitions ? weights + previous : nullptr,
            .next = shape.transitions ? weights + next : nullptr};
  }
};

/// The trained weights with what items say of users in place of the users.
std::vector<float> served_weights(const FactorShape& shape, Histories histories,
                                  const TrainedWeights& layout, TrainingThreads& threads,
                                  std::span<const float> trained) {
  const FactorWeights served = factor_weights(shape);
  std::vector<float> weights(static_cast<std::size_t>(served.total));
  fit_fold_in({.items = shape.items,
               .item_width = shape.dimension,
               .user_width = shape.dimension,
               .item_factors = trained.data() + layout.item,
               .user_factors = trained.data() + layout.user},
              histories, threads, std::span(weights).first(static_cast<std::size_t>(served.item)));
  std::ranges::copy(trained.subspan(static_cast<std::size_t>(layout.item)),
                    weights.begin() + served.item);
  return weights;
}

}  // namespace

Result<Fit> train_pairwise(std::string_view kind, const data::Dataset& dataset,
                           const PairwiseOptions& options, bool transitions,
                           const FitContext& context) {
  return within_memory(kind, dataset, "lower dimension", [&]() -> Result<Fit> {
    const auto histories = data::training_histories(dataset);
    // With transitions there must be an item before the one to predict.
    TRY_VOID(check_there_is_work(dataset, transitions ? 2 : 1));
    const FactorShape shape{
        .items = dataset.items(), .dimension = options.dimension, .transitions = transitions};
    const TrainedWeights layout(dataset.users(), shape);
    TrainingThreads threads(context.threads);
    PairwiseSgd sgd(examples_of(histories, transitions), KnownItems(histories), dataset.users(),
                    dataset.items(), transitions);
    return train_weights(
        dataset,
        {.kind = std::string(kind),
         .algorithm = 2,
         .layout = layout,
         .initialise =
             [&](const WeightPlace& place, std::span<float> values, base::Random& random) {
               if (place.name != "item_bias")
                 fill_normal(values,
                             kInitialLength / std::sqrt(static_cast<double>(shape.dimension)),
                             random);
             },
         .run_epoch = [&](std::int64_t epoch, std::uint64_t key,
                          TrainingState& state) -> Result<double> {
           const double decay =
               std::pow(options.learning_rate_decay, static_cast<double>(epoch - 1));
           return sgd.run_epoch(
               layout.factors(shape, state.weights.data()),
               {.learning_rate = static_cast<float>(options.learning_rate * decay),
                .regularisation = static_cast<float>(options.regularisation),
                .popular_negatives = static_cast<float>(options.popular_negatives)},
               key, threads);
         },
         .model =
             [&](std::span<const float> weights) {
               return std::make_unique<FactorModel>(
                   kind, shape, served_weights(shape, histories, layout, threads, weights));
             },
         .loop = options.loop,
         .options = options.to_json()},
        context);
  });
}

}  // namespace rapport::retrieval
