#include "rapport/retrieval/ncf_trainer.h"

#include <algorithm>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/fold_in.h"
#include "rapport/retrieval/initialisation.h"
#include "rapport/retrieval/linear.h"
#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {
namespace {

/// Embeddings normal, of the paper's deviation; matrices Xavier-normal (Glorot & Bengio 2010), the
/// output's as ones of a single column; no biases.
void initialise(const WeightPlace& place, std::span<float> values, base::Random& random) {
  if (place.name.ends_with("bias")) return;
  if (place.name.starts_with("output."))
    return fill_xavier_normal(values, place.shape[0], 1, random);
  if (place.name.ends_with("weight"))
    return fill_xavier_normal(values, place.shape[0], place.shape[1], random);
  fill_normal(values, 0.01, random);
}

}  // namespace

Ncf served_ncf(const NcfShape& shape, Histories histories, std::span<const float> trained,
               TrainingThreads& threads) {
  const std::int64_t items = shape.items, d = shape.dimension, h = shape.hidden,
                     width = shape.width();
  const NcfTrainedWeights from =
      ncf_trained_weights(shape, static_cast<std::int64_t>(histories.size()));
  const NcfWeights to = ncf_weights(shape);
  const auto source = [&](std::int64_t offset) { return trained.data() + offset; };
  std::vector<float> weights(static_cast<std::size_t>(to.total));
  const auto place = [&](std::int64_t offset) { return weights.data() + offset; };

  fit_fold_in({.items = items,
               .item_width = width,
               .user_width = width,
               .item_factors = source(from.item),
               .user_factors = source(from.user)},
              histories, threads, std::span(weights).first(static_cast<std::size_t>(to.item)));
  // The MLP's part of a row goes through the first layer here, once for all.
  std::vector<float> rows(static_cast<std::size_t>(items * h)), through = rows;
  const std::vector<float> nothing(static_cast<std::size_t>(h));
  for (std::int64_t item = 0; item < items; ++item)
    std::copy_n(place(to.taken + item * width + d), h, rows.data() + item * h);
  linear_forward({.rows = items, .in = h, .out = h}, rows.data(), source(from.user_weight),
                 nothing.data(), through.data());
  for (std::int64_t item = 0; item < items; ++item) {
    std::copy_n(through.data() + item * h, h, place(to.taken + item * width + d));
    const float* const own = source(from.item + item * width);
    std::copy_n(own + d, h, rows.data() + item * h);
    for (std::int64_t i = 0; i < d; ++i)
      place(to.item + item * d)[i] = own[i] * source(from.product)[i];
  }
  linear_forward({.rows = items, .in = h, .out = h}, rows.data(), source(from.item_weight),
                 source(from.first_bias), place(to.hidden));
  std::copy_n(source(from.tower.second_weight), to.total - to.tower.second_weight,
              place(to.tower.second_weight));
  return Ncf(shape, std::move(weights));
}

Result<Fit> train_ncf(const data::Dataset& dataset, const NcfOptions& options,
                      const FitContext& context) {
  return within_memory(
      "ncf", dataset, "lower dimension, hidden, negatives or batch", [&]() -> Result<Fit> {
        TRY_VOID(check_there_is_work(dataset, 1));
        const auto histories = data::training_histories(dataset);
        const NcfShape shape = options.shape(dataset.items());
        const NegativeSampler sampler(histories, dataset.items(), options.popular_negatives);
        TrainingThreads threads(context.threads);
        InteractionEpochs epochs(histories, options.batch);
        NcfGradient gradient(shape, dataset.users(), options.loss(), sampler);
        std::vector<float> gradients(static_cast<std::size_t>(gradient.layout().total));
        return train_weights(
            dataset,
            {.kind = "ncf",
             .layout = gradient.layout(),
             .adam = true,
             .initialise = initialise,
             .run_epoch =
                 [&](std::int64_t epoch, std::uint64_t key, TrainingState& state) {
                   return epochs.run(
                       epoch, key, context,
                       [&](std::span<const Interaction> batch, std::uint64_t step_key) {
                         const double loss =
                             gradient.compute(batch, state.weights, step_key, threads, gradients);
                         adam_step({.learning_rate = static_cast<float>(options.learning_rate)},
                                   gradients, threads, state);
                         return loss;
                       });
                 },
             .model = [&](std::span<const float> weights) -> std::unique_ptr<Retriever> {
               return std::make_unique<Ncf>(served_ncf(shape, histories, weights, threads));
             },
             .loop = options.loop,
             .options = options.to_json()},
            context);
      });
}

Result<Fit> fit_ncf(std::string_view, const data::Dataset& dataset, const Assignments& assignments,
                    const FitContext& context) {
  TRY(const NcfOptions options, read_options<NcfOptions>(dataset, assignments));
  return train_ncf(dataset, options, context);
}

}  // namespace rapport::retrieval
