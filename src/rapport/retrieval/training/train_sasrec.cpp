#include "rapport/retrieval/training/train_sasrec.h"

#include <cmath>

#include "rapport/retrieval/initialisation.h"
#include "rapport/retrieval/training/device_gradient.h"
#include "rapport/retrieval/training/sasrec_gradient.h"

namespace rapport::retrieval {
namespace {

/// Embeddings and the attention's output Xavier-normal, its query, key and value Xavier-uniform as
/// one matrix, the feed-forward uniform within 1/√d, biases too; other biases zero, norms that
/// change nothing. Source: Glorot & Bengio 2010, and PyTorch's defaults for attention and
/// convolutions, with which the published runs of SASRec + CE began.
void initialise(const WeightPlace& place, std::span<float> values, std::int64_t dimension,
                base::Random& random) {
  if (place.name.find("feed_forward.") != std::string::npos) {
    fill_uniform(values, 1 / std::sqrt(static_cast<double>(dimension)), random);
  } else if (place.shape.size() == 1) {
    std::ranges::fill(values, place.name.ends_with("norm.weight") ? 1.0f : 0.0f);
  } else if (place.name.ends_with("query.weight") || place.name.ends_with("key_value.weight")) {
    fill_uniform(values, std::sqrt(6.0 / static_cast<double>(4 * dimension)), random);
  } else {
    fill_xavier_normal(values, place.shape[0], place.shape[1], random);
  }
}

}  // namespace

Result<Fit> train_sasrec(const data::Dataset& dataset, const SasrecOptions& options,
                         const FitContext& context) {
  const SasrecShape shape = options.shape(dataset.items());
  const SasrecWeights layout = sasrec_weights(shape);
  const std::optional<ItemSampler> sampler = negative_sampler(options.loss, dataset);
  TRY(const auto text, read_item_text(dataset, options.text, context));
  return train_sequence_model(
      dataset,
      {.kind = "sasrec",
       .items = shape.items,
       .dimension = shape.dimension,
       .max_length = shape.max_length,
       .layout = layout,
       .item_embedding = layout.item_embedding,
       .initialise =
           [&](const WeightPlace& place, std::span<float> values, base::Random& random) {
             initialise(place, values, shape.dimension, random);
           },
       .gradient =
           [&] {
             return std::make_unique<SasrecGradient>(shape, options.dropout, options.loss, sampler,
                                                     text.get());
           },
       .gradient_on =
           [&](c10::Device device) { return device_gradient(shape, options.dropout, device); },
       .model =
           [&](std::vector<float> weights, std::optional<TextScores> scores) {
             return std::make_unique<Sasrec>(shape, std::move(weights), std::move(scores));
           },
       .text = text.get(),
       .scores_all_items = !options.loss.sampled(),
       .training = options.training,
       .options = options.to_json()},
      context);
}

}  // namespace rapport::retrieval
