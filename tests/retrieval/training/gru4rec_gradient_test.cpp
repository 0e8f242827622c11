#include "rapport/retrieval/training/gru4rec_gradient.h"

#include <gtest/gtest.h>

#include "gradient_testing.h"
#include "reference_model.h"

namespace rapport::retrieval {
namespace {

const NextItemLossOptions kCrossEntropy = {};

ItemPanels panels_of(const Gru4recShape& shape, const std::vector<float>& weights) {
  return retrieval::panels_of(shape.items, shape.dimension,
                              weights.data() + gru4rec_weights(shape).item_embedding);
}

TEST(Gru4recGradient, OfManySequencesIsTheSumOfEachAlone) {
  const Gru4recShape shape{
      .items = 40, .dimension = 12, .hidden = 16, .layers = 2, .max_length = 20};
  const std::vector<float> weights = random_weights(gru4rec_weights(shape), 2);
  const auto sequences = random_sequences(30, shape.items, shape.max_length);
  const ItemPanels panels = panels_of(shape, weights);
  Gru4recGradient gradient(shape, /*dropout=*/0, kCrossEntropy, std::nullopt);
  std::vector<float> alone(weights.size()), together(weights.size());
  double loss = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i)
    loss +=
        gradient.add(batch_of({&sequences[i], 1}, shape.max_length), weights, panels, 1, 0, alone);
  EXPECT_NEAR(
      gradient.add(batch_of(sequences, shape.max_length), weights, panels, 1, 0, together) / loss,
      1, 1e-5);
  EXPECT_LT(relative_error(together, alone), 1e-5);
}

/// Another target at the last position changes the loss by the difference of the scores that
/// inference gives the two.
TEST(Gru4recGradient, PredictsWhatInferenceScores) {
  const Gru4recShape shape{
      .items = 30, .dimension = 12, .hidden = 20, .layers = 2, .max_length = 9};
  const std::vector<float> weights = random_weights(gru4rec_weights(shape), 3);
  std::vector<float> scores(30);
  const std::vector<data::ItemIndex> history = {3, 8, 1, 29, 0, 8, 14};
  const Query query{.history = history};
  ASSERT_TRUE(Gru4rec(shape, weights).score({&query, 1}, scores));

  Gru4recGradient gradient(shape, /*dropout=*/0, kCrossEntropy, std::nullopt);
  std::vector<float> unused(weights.size());
  const auto loss = [&](data::ItemIndex target) {
    std::vector<data::ItemIndex> sequence = history;
    sequence.push_back(target);
    return gradient.add(batch_of({&sequence, 1}, shape.max_length), weights,
                        panels_of(shape, weights), 1,
                        /*key=*/0, unused);
  };
  for (const data::ItemIndex target : {2, 17, 29})
    EXPECT_NEAR(loss(0) - loss(target), scores[static_cast<std::size_t>(target)] - scores[0], 1e-4);
}

/// With dropout and sampled negatives there is no closed form, but the gradient must be that of the
/// very loss computed.
TEST(Gru4recGradient, IsTheSlopeOfTheLossWithDropoutAndNegativesToo) {
  const Gru4recShape shape{
      .items = 50, .dimension = 12, .hidden = 20, .layers = 2, .max_length = 15};
  const std::vector<float> weights = random_weights(gru4rec_weights(shape), 4);
  const TrainingBatch batch = batch_of(random_sequences(20, shape.items, shape.max_length), 15);
  const std::optional<ItemSampler> sampler(std::in_place, std::vector<std::int64_t>(50, 1), 0.0);
  for (const char* const name : {"ce", "bce", "bpr", "top1", "bpr-max", "gbce", "sampled-ce"}) {
    const NextItemLossOptions options = NextItemLossOptions{.loss = name}.resolved().value();
    Gru4recGradient gradient(shape, /*dropout=*/0.3, options, sampler);
    const auto loss = [&](std::uint64_t key) {
      return [&, key](const std::vector<float>& at, std::vector<float>& g) {
        return gradient.add(batch, at, panels_of(shape, at), 1, key, g);
      };
    };
    expect_slope(gru4rec_weights(shape), weights, /*step=*/1e-2, loss(5), name);
    std::vector<float> unused(weights.size());
    EXPECT_NE(loss(5)(weights, unused), loss(6)(weights, unused)) << name;
  }
}

}  // namespace
}  // namespace rapport::retrieval
