#include "rapport/retrieval/training/train_bert4rec.h"

#include <cmath>

#include "rapport/retrieval/initialisation.h"
#include "rapport/retrieval/training/bert4rec_gradient.h"
#include "rapport/retrieval/training/device_gradient.h"

namespace rapport::retrieval {
namespace {

/// Embeddings Xavier-normal, the mask's as an item's; matrices Xavier-uniform; biases zero, norms
/// that change nothing. Source: Glorot & Bengio 2010.
void initialise(const WeightPlace& place, std::span<float> values, const Bert4recShape& shape,
                base::Random& random) {
  if (place.name == "mask_embedding") {
    fill_xavier_normal(values, shape.items, shape.dimension, random);
  } else if (place.shape.size() == 1) {
    std::ranges::fill(values, place.name.ends_with("norm.weight") ? 1.0f : 0.0f);
  } else if (place.name.ends_with("embedding")) {
    fill_xavier_normal(values, place.shape[0], place.shape[1], random);
  } else {
    fill_uniform(values, std::sqrt(6.0 / static_cast<double>(place.shape[0] + place.shape[1])),
                 random);
  }
}

}  // namespace

Result<Fit> train_bert4rec(const data::Dataset& dataset, const Bert4recOptions& options,
                           const FitContext& context) {
  const Bert4recShape shape = options.shape(dataset.items());
  const Bert4recWeights layout = bert4rec_weights(shape);
  return train_sequence_model(
      dataset,
      {.kind = "bert4rec",
       .items = shape.items,
       .dimension = shape.dimension,
       .max_length = shape.max_length,
       .cloze = ClozeOptions{.mask = shape.mask(),
                             .mask_share = options.mask_share,
                             .last_share = options.last_share},
       .layout = layout,
       .item_embedding = layout.item_embedding,
       .initialise = [&](const WeightPlace& place, std::span<float> values,
                         base::Random& random) { initialise(place, values, shape, random); },
       .gradient = [&] { return std::make_unique<Bert4recGradient>(shape, options.dropout); },
       .gradient_on =
           [&](c10::Device device) { return device_gradient(shape, options.dropout, device); },
       .model =
           [&](std::vector<float> weights, const std::optional<TextScores>&) {
             return std::make_unique<Bert4rec>(shape, std::move(weights));
           },
       .training = options.training,
       .options = options.to_json()},
      context);
}

}  // namespace rapport::retrieval
