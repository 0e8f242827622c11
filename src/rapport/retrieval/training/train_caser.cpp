#include "rapport/retrieval/training/train_caser.h"

#include <algorithm>
#include <cmath>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/fold_in.h"
#include "rapport/retrieval/initialisation.h"
#include "rapport/retrieval/training/caser_gradient.h"
#include "rapport/retrieval/training/device_gradient.h"

namespace rapport::retrieval {
namespace {

/// The embeddings normal, of `deviation` or, for 0, Xavier's; filters and the layer after them
/// uniform within 1/√in, where `in` is what they see of their input; no biases. Source: Glorot &
/// Bengio 2010; PyTorch's layers, as in the authors' code.
void initialise(const CaserShape& shape, double deviation, const WeightPlace& place,
                std::span<float> values, base::Random& random) {
  const auto bound = [](std::int64_t in) { return 1 / std::sqrt(static_cast<double>(in)); };
  if (place.name.ends_with("_embedding") && deviation > 0) {
    fill_normal(values, deviation, random);
  } else if (place.name.ends_with("_embedding")) {
    fill_xavier_normal(values, place.shape[0], place.shape[1], random);
  } else if (place.name == "vertical.weight") {
    fill_uniform(values, bound(shape.window), random);
  } else if (place.name == "output.weight") {
    fill_uniform(values, bound(place.shape[0]), random);
  } else if (place.shape.size() == 2) {  // of the filters, lowest first; see CaserLayer
    const std::int64_t heights = place.shape[1] / shape.horizontal;
    const auto filters = static_cast<std::size_t>(shape.horizontal);
    for (std::size_t i = 0; i < values.size(); i += filters) {
      const auto above = static_cast<std::int64_t>(i / filters) % heights;
      const std::int64_t height = shape.heights - heights + 1 + above;
      fill_uniform(values.subspan(i, filters), bound(height * shape.dimension), random);
    }
  }
}

/// What is served of what was learned: users' vectors are made of the history.
std::vector<float> served(const CaserShape& shape, const CaserWeights& layout,
                          std::vector<float> weights,
                          std::span<const std::span<const data::ItemIndex>> histories,
                          TrainingThreads& threads) {
  if (shape.history == 0) return weights;
  const CaserWeights of_model = caser_weights(shape);
  std::vector<float> taken(static_cast<std::size_t>(shape.items * shape.dimension));
  fit_fold_in({.items = shape.items,
               .item_width = shape.scored_width(),
               .user_width = shape.dimension,
               .item_factors = weights.data() + layout.item_embedding,
               .user_factors = weights.data() + layout.user},
              histories, threads, taken);
  weights.resize(static_cast<std::size_t>(of_model.user));
  weights.insert(weights.end(), taken.begin(), taken.end());
  return weights;
}

}  // namespace

Result<Fit> train_caser(const data::Dataset& dataset, const CaserOptions& options,
                        const FitContext& context) {
  const CaserShape shape = options.shape(dataset.items());
  const CaserWeights layout = caser_training_weights(shape, dataset.users());
  const std::optional<ItemSampler> sampler = negative_sampler(options.loss, dataset);
  TrainingThreads threads(context.threads);
  std::vector<std::span<const data::ItemIndex>> histories = data::training_histories(dataset);
  for (auto& history : histories) {
    // Of a single item there is no window: the user's vector is as it began, and tells nothing.
    const std::size_t read =
        history.size() < 2 ? 0 : std::min(history.size(), static_cast<std::size_t>(shape.history));
    history = history.last(read);
  }
  return train_sequence_model(
      dataset,
      {.kind = "caser",
       .items = shape.items,
       .dimension = shape.scored_width(),
       .max_length = options.max_length,
       .window = shape.window,
       .layout = layout,
       .item_embedding = layout.item_embedding,
       .initialise =
           [&](const WeightPlace& place, std::span<float> values, base::Random& random) {
             initialise(shape, options.initial_deviation, place, values, random);
           },
       .gradient =
           [&] {
             return std::make_unique<CaserGradient>(shape, dataset.users(), options.dropout,
                                                    options.loss, sampler);
           },
       .gradient_on =
           [&](c10::Device device) {
             return device_gradient(shape, dataset.users(), options.dropout, device);
           },
       .model =
           [&](std::vector<float> weights, const std::optional<TextScores>&) {
             return std::make_unique<Caser>(
                 shape, served(shape, layout, std::move(weights), histories, threads));
           },
       .scores_all_items = !options.loss.sampled(),
       .training = options.training,
       .options = options.to_json()},
      context);
}

}  // namespace rapport::retrieval
