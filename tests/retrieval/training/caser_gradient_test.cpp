#include "rapport/retrieval/training/caser_gradient.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <random>

#include "gradient_testing.h"
#include "sequence_model_testing.h"

namespace rapport::retrieval {
namespace {

using torch::Tensor;

const NextItemLossOptions kCrossEntropy = {};

ItemPanels panels_of(const CaserShape& shape, const std::vector<float>& weights) {
  return retrieval::panels_of(shape.items, shape.dimension,
                              weights.data() + caser_weights(shape).item_embedding);
}

/// libtorch's own convolutions and autograd, one window at a time.
struct Libtorch {
  CaserShape shape;
  CaserWeights layout;
  Tensor weights;  // [weights], a leaf

  Tensor part(std::int64_t offset, std::int64_t rows, std::int64_t columns) const {
    return weights.slice(0, offset, offset + rows * columns).view({rows, columns});
  }

  /// As torch::conv2d has it: [filters × 1 × height × dimension].
  Tensor filters(std::int64_t height) const {
    std::vector<Tensor> rows;
    for (std::int64_t row = 0; row < height; ++row) {
      const std::int64_t columns = (shape.heights - row) * shape.horizontal;
      const std::int64_t first = (height - 1 - row) * shape.horizontal;
      rows.push_back(
          part(layout.horizontal[static_cast<std::size_t>(row)], shape.dimension, columns)
              .slice(1, first, first + shape.horizontal)
              .t());
    }
    return torch::stack(rows, 1).unsqueeze(1);
  }

  /// Scores of all items after the first `length` of `sequence`.
  Tensor scores(const std::vector<data::ItemIndex>& sequence, std::int64_t length) const {
    const std::int64_t d = shape.dimension, features = layout.output_bias - layout.output_weight;
    const Tensor items = part(layout.item_embedding, shape.items, d);
    std::vector<Tensor> rows;
    for (std::int64_t i = length - shape.window; i < length; ++i)
      rows.push_back(i < 0 ? torch::zeros({d}) : items[sequence[static_cast<std::size_t>(i)]]);
    const Tensor image = torch::stack(rows).view({1, 1, shape.window, d});
    std::vector<Tensor> found;
    for (std::int64_t height = 1; height <= shape.heights; ++height) {
      const std::int64_t first = layout.horizontal_bias + (height - 1) * shape.horizontal;
      const Tensor bias = weights.slice(0, first, first + shape.horizontal);
      const Tensor sums = torch::relu(torch::conv2d(image, filters(height), bias));
      found.push_back(torch::amax(sums, {2, 3}).flatten());
    }
    const Tensor vertical = part(layout.vertical, shape.vertical, shape.window)
                                .view({shape.vertical, 1, shape.window, 1});
    found.push_back(torch::conv2d(image, vertical).flatten());
    const Tensor encoded =
        torch::matmul(torch::cat(found), part(layout.output_weight, features / d, d)) +
        weights.slice(0, layout.output_bias, layout.output_bias + d);
    return torch::matmul(items, encoded);
  }

  Tensor loss(const std::vector<data::ItemIndex>& sequence) const {
    Tensor sum = torch::zeros({});
    for (std::int64_t i = 1; i < static_cast<std::int64_t>(sequence.size()); ++i)
      sum = sum - torch::log_softmax(scores(sequence, i), 0)[sequence[static_cast<std::size_t>(i)]];
    return sum;
  }
};

TEST(CaserGradient, EqualsLibtorchsLossAndGradients) {
  // Filters as high as the window and lower ones; more rows than the products take at a time.
  for (const CaserShape& shape : {CaserShape{.items = 30,
                                 .dimension = 16,
                                 .window = 4,
                                 .heights = 4,
                                 .horizontal = 5,
                                 .vertical = 2},
                                  CaserShape{.items = 90,
                                  .dimension = 10,
                                  .window = 7,
                                  .heights = 3,
                                  .horizontal = 16,
                                  .vertical = 4}}) {
    const std::vector<float> weights = random_weights(caser_weights(shape), 1);
    const auto sequences = random_sequences(12, shape.items, 12);
    std::vector<float> own(weights.size());
    CaserGradient gradient(shape, /*dropout=*/0, kCrossEntropy, std::nullopt);
    const double loss = gradient.add(batch_of(sequences, 100), weights, panels_of(shape, weights),
                                     /*scale=*/1, /*key=*/0, own);

    std::vector<float> copy = weights;
    const CaserWeights layout = caser_weights(shape);
    Libtorch libtorch{shape, layout,
                      torch::from_blob(copy.data(), {static_cast<std::int64_t>(copy.size())})
                          .set_requires_grad(true)};
    Tensor expected_loss = torch::zeros({});
    for (const auto& sequence : sequences) expected_loss = expected_loss + libtorch.loss(sequence);
    expected_loss.backward();
    EXPECT_NEAR(loss / expected_loss.item<double>(), 1, 1e-5);
    const Tensor expected = libtorch.weights.grad().contiguous();
    const std::span<const float> theirs(expected.data_ptr<float>(), own.size());
    for (const WeightPlace& place : layout.places) {
      const auto offset = static_cast<std::size_t>(place.offset);
      const auto size = static_cast<std::size_t>(place.size);
      const double error =
          relative_error(std::span(own).subspan(offset, size), theirs.subspan(offset, size));
      EXPECT_LT(error, 1e-4) << place.name;
    }
  }
}

TEST(CaserGradient, OfManySequencesIsTheSumOfEachAlone) {
  const CaserShape shape{.items = 40, .dimension = 12, .window = 5, .heights = 3};
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
  const CaserShape shape{.items = 30, .dimension = 12, .window = 6, .heights = 4};
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
  const CaserShape shape{.items = 50, .dimension = 12, .window = 5, .heights = 5};
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
