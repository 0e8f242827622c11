#include "rapport/retrieval/training/caser_gradient.h"

#include <gtest/gtest.h>

#include "gradient_testing.h"
#include "reference_model.h"

namespace rapport::retrieval {
namespace {

const NextItemLossOptions kCrossEntropy = {};

ItemPanels panels_of(const CaserShape& shape, const std::vector<float>& weights) {
  return retrieval::panels_of(shape.items, shape.dimension,
                              weights.data() + caser_weights(shape).item_embedding);
}

TEST(CaserGradient, OfManySequencesIsTheSumOfEachAlone) {
  const CaserShape shape{.items = 40, .dimension = 12, .window = 5, .heights = 3, .history = 20};
  const std::vector<float> weights = random_weights(caser_weights(shape), 2);
  const auto sequences = random_sequences(30, shape.items, 20);
  const ItemPanels panels = panels_of(shape, weights);
  CaserGradient gradient(shape, /*dropout=*/0, kCrossEntropy, std::nullopt);
  std::vector<float> alone(weights.size()), together(weights.size());
  double loss = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i)
    loss += gradient.add(batch_of({&sequences[i], 1}, 20), weights, panels, 1, 0, alone);
  EXPECT_NEAR(gradient.add(batch_of(sequences, 20), weights, panels, 1, 0, together) / loss, 1,
              1e-5);
  EXPECT_LT(relative_error(together, alone), 1e-5);
  EXPECT_EQ(gradient.add({}, weights, panels, 1, 0, together), 0);
}

/// Another target at the last position changes the loss by the difference of the scores that
/// inference gives the two: what is trained is what is served.
TEST(CaserGradient, PredictsWhatInferenceScores) {
  const CaserShape shape{.items = 30, .dimension = 12, .window = 6, .heights = 4, .history = 9};
  const std::vector<float> weights = random_weights(caser_weights(shape), 3);
  for (const std::vector<data::ItemIndex>& history :
       std::vector<std::vector<data::ItemIndex>>{{3, 8, 1, 29, 0, 8, 14}, {5, 2, 0}}) {
    std::vector<float> scores(30), unused(weights.size());
    const Query query{.history = history};
    ASSERT_TRUE(Caser(shape, weights).score({&query, 1}, scores));
    CaserGradient gradient(shape, /*dropout=*/0, kCrossEntropy, std::nullopt);
    const auto loss = [&](data::ItemIndex target) {
      std::vector<data::ItemIndex> sequence = history;
      sequence.push_back(target);
      return gradient.add(batch_of({&sequence, 1}, 9), weights, panels_of(shape, weights), 1,
                          /*key=*/0, unused);
    };
    for (const data::ItemIndex target : {2, 17, 29})
      EXPECT_NEAR(loss(0) - loss(target), scores[static_cast<std::size_t>(target)] - scores[0],
                  1e-4);
  }
}

/// With dropout and sampled negatives there is no closed form, but the gradient must be that of the
/// very loss computed.
TEST(CaserGradient, IsTheSlopeOfTheLossWithDropoutAndNegativesToo) {
  const CaserShape shape{.items = 50, .dimension = 12, .window = 5, .heights = 5, .history = 15};
  const std::vector<float> weights = random_weights(caser_weights(shape), 4);
  const TrainingBatch batch = batch_of(random_sequences(20, shape.items, 15), 15);
  const std::optional<ItemSampler> sampler(std::in_place, std::vector<std::int64_t>(50, 1), 0.0);
  for (const char* const name : {"ce", "bce"}) {
    const NextItemLossOptions options = NextItemLossOptions{.loss = name}.resolved().value();
    CaserGradient gradient(shape, /*dropout=*/0.3, options, sampler);
    const auto loss = [&](std::uint64_t key) {
      return [&, key](const std::vector<float>& at, std::vector<float>& g) {
        return gradient.add(batch, at, panels_of(shape, at), 1, key, g);
      };
    };
    expect_slope(caser_weights(shape), weights, /*step=*/1e-2, loss(5), name);
    std::vector<float> unused(weights.size());
    EXPECT_NE(loss(5)(weights, unused), loss(6)(weights, unused)) << name;
  }
}

}  // namespace
}  // namespace rapport::retrieval
