#include "rapport/retrieval/training/bert4rec_gradient.h"

#include <gtest/gtest.h>

#include "gradient_testing.h"

namespace rapport::retrieval {
namespace {

ItemPanels panels_of(const Bert4recShape& shape, std::span<const float> weights) {
  return retrieval::panels_of(shape.items, shape.dimension,
                              weights.data() + bert4rec_weights(shape).item_embedding);
}

/// What is masked last changes the loss, target by target, by the difference of the scores that
/// inference gives.
TEST(Bert4recGradient, PredictsWhatInferenceScores) {
  const Bert4recShape shape{.items = 30, .dimension = 12, .heads = 3, .max_length = 9};
  const std::vector<float> weights = random_weights(bert4rec_weights(shape), 3);
  std::vector<float> scores(30);
  const std::vector<data::ItemIndex> history = {3, 8, 1, 29, 0, 8, 14};
  const Query query{.history = history};
  ASSERT_TRUE(Bert4rec(shape, weights).score({&query, 1}, scores));

  Bert4recGradient gradient(shape, /*dropout=*/0);
  std::vector<float> unused(weights.size());
  const auto loss = [&](data::ItemIndex target) {
    TrainingBatch batch;
    std::vector<data::ItemIndex> items = history;
    items.push_back(shape.mask());
    batch.sequences.add(items, shape.max_length);
    batch.predicted = {7};
    batch.targets = {target};
    return gradient.add(batch, weights, panels_of(shape, weights), 1, /*key=*/0, unused);
  };
  for (const data::ItemIndex target : {2, 17, 29})
    EXPECT_NEAR(loss(0) - loss(target), scores[static_cast<std::size_t>(target)] - scores[0], 1e-4);
}

/// With dropout there is no closed form, but the gradient must be that of the very loss computed.
TEST(Bert4recGradient, IsTheSlopeOfTheLossWithDropoutToo) {
  const Bert4recShape shape{
      .items = 50, .dimension = 12, .heads = 2, .inner = 20, .max_length = 15};
  const std::vector<float> weights = random_weights(bert4rec_weights(shape), 4);
  const TrainingBatch batch = masked_batch_of(random_sequences(20, shape.items, shape.max_length),
                                              shape.max_length, shape.mask());
  Bert4recGradient gradient(shape, /*dropout=*/0.3);
  const auto loss = [&](std::uint64_t key) {
    return [&, key](const std::vector<float>& at, std::vector<float>& g) {
      return gradient.add(batch, at, panels_of(shape, at), 1, key, g);
    };
  };
  expect_slope(bert4rec_weights(shape), weights, /*step=*/1e-2, loss(5), "dropout");
  std::vector<float> unused(weights.size());
  EXPECT_NE(loss(5)(weights, unused), loss(6)(weights, unused));
}

}  // namespace
}  // namespace rapport::retrieval
