#include "rapport/retrieval/training/train_gru4rec.h"

#include <cmath>

#include "rapport/retrieval/initialisation.h"
#include "rapport/retrieval/training/device_gradient.h"
#include "rapport/retrieval/training/gru4rec_gradient.h"

namespace rapport::retrieval {
namespace {

/// Embeddings Xavier-normal and recurrent matrices Xavier-uniform over their three gates as one;
/// the projection uniform within 1/√in, its bias too; no other biases. Source: Glorot & Bengio
/// 2010; the published runs of GRU4Rec + CE.
void initialise(const WeightPlace& place, std::span<float> values, std::int64_t hidden,
                base::Random& random) {
  if (place.name.starts_with("output.")) {
    fill_uniform(values, 1 / std::sqrt(static_cast<double>(hidden)), random);
  } else if (place.name.starts_with("layers.")) {
    if (place.shape.size() == 2)
      fill_uniform(values, std::sqrt(6.0 / static_cast<double>(place.shape[0] + place.shape[1])),
                   random);
  } else {
    fill_xavier_normal(values, place.shape[0], place.shape[1], random);
  }
}

}  // namespace

Result<Fit> train_gru4rec(const data::Dataset& dataset, const Gru4recOptions& options,
                          const FitContext& context) {
  const Gru4recShape shape = options.shape(dataset.items());
  const Gru4recWeights layout = gru4rec_weights(shape);
  const std::optional<ItemSampler> sampler = negative_sampler(options.loss, dataset);
  TRY(const auto text, read_item_text(dataset, options.text, context));
  return train_sequence_model(
      dataset,
      {.kind = "gru4rec",
       .items = shape.items,
       .dimension = shape.dimension,
       .max_length = shape.max_length,
       .layout = layout,
       .item_embedding = layout.item_embedding,
       .initialise = [&](const WeightPlace& place, std::span<float> values,
                         base::Random& random) { initialise(place, values, shape.hidden, random); },
       .gradient =
           [&] {
             return std::make_unique<Gru4recGradient>(shape, options.dropout, options.loss, sampler,
                                                      text.get());
           },
       .gradient_on =
           [&](c10::Device device) { return device_gradient(shape, options.dropout, device); },
       .model =
           [&](std::vector<float> weights, std::optional<TextScores> scores) {
             return std::make_unique<Gru4rec>(shape, std::move(weights), std::move(scores));
           },
       .text = text.get(),
       .scores_all_items = !options.loss.sampled(),
       .training = options.training,
       .options = options.to_json()},
      context);
}

}  // namespace rapport::retrieval
