#include "rapport/retrieval/lightgcn_trainer.h"

#include <algorithm>
#include <cmath>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/initialisation.h"
#include "rapport/retrieval/lightgcn_gradient.h"
#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {
namespace {

/// Of the embeddings at the beginning, as in the authors' code.
constexpr double kInitialDeviation = 0.1;

class Trainer {
 public:
  Trainer(const data::Dataset& dataset, const LightgcnOptions& options, const FitContext& context)
      : users_(dataset.users()),
        items_(dataset.items()),
        options_(options),
        context_(context),
        threads_(context.threads),
        histories_(data::training_histories(dataset)),
        sampler_(histories_, items_, options.popular_negatives),
        epochs_(histories_, options.batch),
        gradient_(histories_, items_, options.shape(), options.loss(), sampler_) {
    layout_.add("embeddings", {users_ + items_, options.dimension});
    gradients_.resize(static_cast<std::size_t>(layout_.total));
  }

  const WeightLayout& layout() const { return layout_; }

  Result<double> run_epoch(std::int64_t epoch, std::uint64_t key, TrainingState& state) {
    return epochs_.run(
        epoch, key, context_, [&](std::span<const Interaction> batch, std::uint64_t step_key) {
          const double loss =
              gradient_.compute(batch, state.weights, step_key, threads_, gradients_);
          adam_step({.learning_rate = static_cast<float>(options_.learning_rate)}, gradients_,
                    threads_, state);
          return loss;
        });
  }

  std::unique_ptr<Retriever> model(std::span<const float> embeddings) {
    return std::make_unique<FactorModel>(
        served_lightgcn(options_.shape(), histories_, gradient_, embeddings, threads_));
  }

 private:
  const std::int64_t users_, items_;
  const LightgcnOptions& options_;
  const FitContext& context_;
  TrainingThreads threads_;
  const std::vector<std::span<const data::ItemIndex>> histories_;
  const NegativeSampler sampler_;
  InteractionEpochs epochs_;
  LightgcnGradient gradient_;
  WeightLayout layout_;
  std::vector<float> gradients_;
};

}  // namespace

FactorModel served_lightgcn(const LightgcnShape& shape, Histories histories,
                            LightgcnGradient& graph, std::span<const float> embeddings,
                            TrainingThreads& threads) {
  const auto users = static_cast<std::int64_t>(histories.size());
  const std::int64_t d = shape.dimension;
  const std::int64_t items = static_cast<std::int64_t>(embeddings.size()) / d - users;
  const std::vector<std::int64_t> degrees = item_counts(histories, items);

  const FactorShape served{.items = items, .dimension = d, .bias = false};
  const FactorWeights layout = factor_weights(served);
  std::vector<float> weights(static_cast<std::size_t>(layout.total));
  const float share = 1 / static_cast<float>(shape.layers + 1);
  const auto copy = [&](std::span<const float> sum, std::int64_t place, const auto& scale_of) {
    for (std::int64_t i = 0; i < items * d; ++i)
      weights[static_cast<std::size_t>(place + i)] =
          scale_of(static_cast<std::size_t>(i / d)) * sum[static_cast<std::size_t>(users * d + i)];
  };
  // One step from the item to who took it ends all but the last of the item's layers.
  copy(graph.propagate(embeddings, shape.layers - 1, threads), layout.taken, [&](std::size_t item) {
    return share / std::sqrt(std::max(1.0f, static_cast<float>(degrees[item])));
  });
  copy(graph.propagate(embeddings, shape.layers, threads), layout.item,
       [&](std::size_t) { return share; });
  return {"lightgcn", served, std::move(weights)};
}

Result<Fit> train_lightgcn(const data::Dataset& dataset, const LightgcnOptions& options,
                           const FitContext& context) {
  return within_memory(
      "lightgcn", dataset, "lower dimension, negatives or batch", [&]() -> Result<Fit> {
        TRY_VOID(check_there_is_work(dataset, 1));
        Trainer trainer(dataset, options, context);
        return train_weights(
            dataset,
            {.kind = "lightgcn",
             .layout = trainer.layout(),
             .adam = true,
             .initialise =
                 [](const WeightPlace&, std::span<float> values, base::Random& random) {
                   fill_normal(values, kInitialDeviation, random);
                 },
             .run_epoch =
                 [&](std::int64_t epoch, std::uint64_t key, TrainingState& state) {
                   return trainer.run_epoch(epoch, key, state);
                 },
             .model = [&](std::span<const float> weights) { return trainer.model(weights); },
             .loop = options.loop,
             .options = options.to_json()},
            context);
      });
}

}  // namespace rapport::retrieval
