#include "rapport/retrieval/training/caser_gradient.h"

#include <gtest/gtest.h>

#include "gradient_testing.h"
#include "rapport/retrieval/fold_in.h"
#include "reference_model.h"

namespace rapport::retrieval {
namespace {

const NextItemLossOptions kCrossEntropy = {};

ItemPanels panels_of(const CaserShape& shape, const std::vector<float>& weights) {
  return retrieval::panels_of(shape.items, shape.scored_width(),
                              weights.data() + caser_weights(shape).item_embedding);
}

TEST(CaserGradient, OfManyWindowsIsTheSumOfEachAlone) {
  const CaserShape shape{.items = 40, .dimension = 12, .window = 5, .heights = 3, .history = 20};
  constexpr std::int64_t kUsers = 11;  // each of whom has several windows
  const std::vector<float> weights = random_weights(caser_training_weights(shape, kUsers), 2);
  const auto sequences = random_sequences(30, shape.items, 20);
  const ItemPanels panels = panels_of(shape, weights);
  CaserGradient gradient(shape, kUsers, /*dropout=*/0, kCrossEntropy, std::nullopt);
  std::vector<float> alone(weights.size()), together(weights.size());
  double loss = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    TrainingBatch one = windows_of({&sequences[i], 1}, shape.window, kUsers);
    one.users = {static_cast<data::UserIndex>(i % kUsers)};
    loss += gradient.add(one, weights, panels, 1, 0, alone);
  }
  const TrainingBatch all = windows_of(sequences, shape.window, kUsers);
  EXPECT_NEAR(gradient.add(all, weights, panels, 1, 0, together) / loss, 1, 1e-5);
  EXPECT_LT(relative_error(together, alone), 1e-5);
  EXPECT_EQ(gradient.add({}, weights, panels, 1, 0, together), 0);
}

/// Another target changes the loss by the difference of the scores that inference gives the two:
/// what is trained is what is served. With a user's vector too, where it is that which the history
/// makes.
TEST(CaserGradient, PredictsWhatInferenceScores) {
  for (const std::int64_t known : {0, 9}) {
    const CaserShape shape{
        .items = 30, .dimension = 12, .window = 6, .heights = 4, .history = known};
    const std::vector<float> weights = random_weights(caser_weights(shape), 3);
    const CaserWeights layout = caser_weights(shape),
                       of_training = caser_training_weights(shape, 1);
    for (const std::vector<data::ItemIndex>& history :
         std::vector<std::vector<data::ItemIndex>>{{3, 8, 1, 29, 0, 8, 14}, {5, 2, 0}}) {
      std::vector<float> scores(30), trained(weights.begin(), weights.end());
      const Query query{.history = history};
      ASSERT_TRUE(Caser(shape, weights).score({&query, 1}, scores));
      trained.resize(static_cast<std::size_t>(of_training.total));
      if (known > 0) {
        std::fill_n(trained.begin() + of_training.user, shape.dimension, 0.0f);
        add_mean_of(history, weights.data() + layout.user, shape.dimension,
                    trained.data() + of_training.user);
      }
      CaserGradient gradient(shape, 1, /*dropout=*/0, kCrossEntropy, std::nullopt);
      const auto loss = [&](data::ItemIndex target) {
        std::vector<data::ItemIndex> sequence = history;
        sequence.push_back(target);
        std::vector<float> unused(trained.size());
        return gradient.add(windows_of({&sequence, 1}, shape.window, 1), trained,
                            panels_of(shape, trained), 1, /*key=*/0, unused);
      };
      for (const data::ItemIndex target : {2, 17, 29})
        EXPECT_NEAR(loss(0) - loss(target), scores[static_cast<std::size_t>(target)] - scores[0],
                    1e-4);
    }
  }
}

/// With dropout and sampled negatives there is no closed form, but the gradient must be that of the
/// very loss computed.
TEST(CaserGradient, IsTheSlopeOfTheLossWithDropoutAndNegativesToo) {
  const CaserShape shape{.items = 50, .dimension = 12, .window = 5, .heights = 5, .history = 15};
  constexpr std::int64_t kUsers = 7;
  const CaserWeights layout = caser_training_weights(shape, kUsers);
  const std::vector<float> weights = random_weights(layout, 4);
  const TrainingBatch batch =
      windows_of(random_sequences(20, shape.items, 15), shape.window, kUsers);
  const std::optional<ItemSampler> sampler(std::in_place, std::vector<std::int64_t>(50, 1), 0.0);
  for (const char* const name : {"ce", "bce"}) {
    const NextItemLossOptions options = NextItemLossOptions{.loss = name}.resolved().value();
    CaserGradient gradient(shape, kUsers, /*dropout=*/0.3, options, sampler);
    const auto loss = [&](std::uint64_t key) {
      return [&, key](const std::vector<float>& at, std::vector<float>& g) {
        return gradient.add(batch, at, panels_of(shape, at), 1, key, g);
      };
    };
    expect_slope(layout, weights, /*step=*/1e-2, loss(5), name);
    std::vector<float> unused(weights.size());
    EXPECT_NE(loss(5)(weights, unused), loss(6)(weights, unused)) << name;
  }
}

}  // namespace
}  // namespace rapport::retrieval
