#include "rapport/retrieval/training/sasrec_gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "reference_model.h"

namespace rapport::retrieval {
namespace {

const std::optional<ItemSampler> kNoSampler;  // the full softmax needs none

TrainingBatch batch_of(const ReferenceModel& reference) {
  TrainingBatch batch;
  for (const ReferenceSequence& sequence : reference.sequences) {
    std::vector<data::ItemIndex> items = sequence.inputs;
    items.push_back(sequence.targets.back());
    batch.add(items, reference.shape.max_length);
  }
  return batch;
}

ItemPanels panels_of(const SasrecShape& shape, std::span<const float> weights) {
  ItemPanels panels(shape.items, shape.dimension);
  panels.fill(weights.data() + sasrec_weights(shape).item_embedding, 0, panels.count());
  return panels;
}

TEST(SasrecGradient, AgreesWithNumPy) {
  for (const ReferenceModel& reference : reference_models()) {
    const TrainingBatch batch = batch_of(reference);
    const auto positions = static_cast<double>(batch.sequences.size());
    std::vector<float> gradients(reference.weights.size());
    SasrecGradient gradient(reference.shape, /*dropout=*/0, {}, kNoSampler);
    const double loss =
        gradient.add(batch, reference.weights, panels_of(reference.shape, reference.weights),
                     static_cast<float>(1 / positions),
                     /*key=*/0, gradients);
    EXPECT_NEAR(loss / positions / reference.loss, 1, 1e-5) << reference.name;
    for (const WeightPlace& place : sasrec_weights(reference.shape).places) {
      const auto part = [&](const std::vector<float>& all) {
        return std::span(all).subspan(static_cast<std::size_t>(place.offset),
                                      static_cast<std::size_t>(place.size));
      };
      // The gradient of the key's bias is zero: it moves all logits of a row alike, the padding's
      // too.
      if (place.name.ends_with("key_value.bias")) {
        const auto d = static_cast<std::size_t>(reference.shape.dimension);
        for (std::size_t i = 0; i < d; ++i) EXPECT_NEAR(part(gradients)[i], 0, 1e-6);
      }
      EXPECT_LT(relative_error(part(gradients), part(reference.gradients)), 1e-4)
          << reference.name << ": " << place.name;
    }
  }
}

/// Two implementations of one model. Another target at the last position changes the loss by the
/// difference of the scores that inference gives the two.
TEST(SasrecGradient, PredictsWhatInferenceScores) {
  const SasrecShape shape{.items = 30, .dimension = 12, .blocks = 2, .heads = 3, .max_length = 9};
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.4f);
  std::vector<float> weights(static_cast<std::size_t>(sasrec_weights(shape).total));
  for (float& weight : weights) weight = normal(random);
  std::vector<float> scores(30);
  const std::vector<data::ItemIndex> history = {3, 8, 1, 29, 0, 8, 14};
  const Query query{.history = history};
  ASSERT_TRUE(Sasrec(shape, weights).score({&query, 1}, scores));

  SasrecGradient gradient(shape, /*dropout=*/0, {}, kNoSampler);
  std::vector<float> unused(weights.size());
  const auto loss = [&](data::ItemIndex target) {
    std::vector<data::ItemIndex> sequence = history;
    sequence.push_back(target);
    TrainingBatch batch;
    batch.add(sequence, shape.max_length);
    return gradient.add(batch, weights, panels_of(shape, weights), 1, /*key=*/0, unused);
  };
  for (const data::ItemIndex target : {2, 17, 29})
    EXPECT_NEAR(loss(0) - loss(target), scores[static_cast<std::size_t>(target)] - scores[0], 1e-4);
}

/// With dropout and sampled negatives there is no closed form, but the gradient must be that of the
/// very loss computed: a step along it changes the loss as the slope says.
TEST(SasrecGradient, IsTheSlopeOfTheLossWithDropoutAndNegativesToo) {
  const ReferenceModel reference = reference_models().front();
  const TrainingBatch batch = batch_of(reference);
  const std::optional<ItemSampler> sampler(
      std::in_place, std::vector<std::int64_t>(static_cast<std::size_t>(reference.shape.items), 1),
      0.0);
  for (const char* const name : {"ce", "gbce"}) {
    const NextItemLossOptions options = NextItemLossOptions{.loss = name}.resolved().value();
    SasrecGradient gradient(reference.shape, /*dropout=*/0.3, options, sampler);
    std::vector<float> slope(reference.weights.size()), unused(slope.size());
    const auto loss = [&](const std::vector<float>& at, std::uint64_t key, std::vector<float>& g) {
      return gradient.add(batch, at, panels_of(reference.shape, at), 1, key, g);
    };
    loss(reference.weights, 5, slope);
    double squares = 0;
    for (const float g : slope) squares += static_cast<double>(g) * g;
    constexpr double kStep = 1e-3;
    const auto moved = [&](double sign) {
      std::vector<float> at = reference.weights;
      for (std::size_t i = 0; i < at.size(); ++i)
        at[i] += static_cast<float>(sign * kStep / std::sqrt(squares) * slope[i]);
      return loss(at, 5, unused);
    };
    EXPECT_NEAR((moved(1) - moved(-1)) / (2 * kStep) / std::sqrt(squares), 1, 0.02) << name;
    EXPECT_NE(loss(reference.weights, 5, unused), loss(reference.weights, 6, unused)) << name;
  }
}

}  // namespace
}  // namespace rapport::retrieval
