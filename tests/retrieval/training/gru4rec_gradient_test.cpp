#include "rapport/retrieval/training/gru4rec_gradient.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <random>

#include "gradient_testing.h"
#include "sequence_model_testing.h"

namespace rapport::retrieval {
namespace {

using torch::Tensor;

const NextItemLossOptions kCrossEntropy = {};

ItemPanels panels_of(const Gru4recShape& shape, const std::vector<float>& weights) {
  return retrieval::panels_of(shape.items, shape.dimension,
                              weights.data() + gru4rec_weights(shape).item_embedding);
}

/// libtorch's own layers and autograd, one sequence at a time.
struct Libtorch {
  Gru4recShape shape;
  Gru4recWeights layout;
  Tensor weights;  // [weights], a leaf

  Tensor part(std::int64_t offset, std::int64_t rows, std::int64_t columns) const {
    return weights.slice(0, offset, offset + rows * columns).view({rows, columns});
  }

  Tensor loss(const std::vector<data::ItemIndex>& sequence) const {
    const std::int64_t d = shape.dimension, h = shape.hidden;
    const auto size = static_cast<std::int64_t>(sequence.size()) - 1;
    const std::int64_t length = std::min(size, shape.max_length);
    Tensor inputs = torch::empty({length}, torch::kInt64), targets = torch::empty_like(inputs);
    for (std::int64_t i = 0; i < length; ++i) {
      inputs[i] = sequence[static_cast<std::size_t>(size - length + i)];
      targets[i] = sequence[static_cast<std::size_t>(size - length + i) + 1];
    }
    const Tensor items = part(layout.item_embedding, shape.items, d);
    // torch::gru is what torch::nn::GRU calls; its matrices are [3 hidden × in].
    std::vector<Tensor> parameters;
    for (std::size_t i = 0; i < layout.layers.size(); ++i) {
      const Gru4recLayer& layer = layout.layers[i];
      parameters.push_back(part(layer.input_weight, i == 0 ? d : h, 3 * h).t().contiguous());
      parameters.push_back(part(layer.recurrent_weight, h, 3 * h).t().contiguous());
      parameters.push_back(part(layer.input_bias, 1, 3 * h).view({3 * h}));
      parameters.push_back(part(layer.recurrent_bias, 1, 3 * h).view({3 * h}));
    }
    const Tensor states = std::get<0>(
        torch::gru(torch::embedding(items, inputs).unsqueeze(0), torch::zeros({shape.layers, 1, h}),
                   parameters, /*has_biases=*/true, shape.layers, /*dropout=*/0.0, /*train=*/true,
                   /*bidirectional=*/false, /*batch_first=*/true));
    const Tensor encoded = torch::matmul(states.squeeze(0), part(layout.output_weight, h, d)) +
                           part(layout.output_bias, 1, d);
    return torch::nn::functional::cross_entropy(
        torch::matmul(encoded, items.t()), targets,
        torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum));
  }
};

TEST(Gru4recGradient, EqualsLibtorchsLossAndGradients) {
  struct Case {
    Gru4recShape shape;
    std::size_t users;
  };
  // More rows than the products take at a time; several layers; sequences longer than what is read.
  for (const auto& [shape, users] :
       {Case{{.items = 60, .dimension = 16, .hidden = 24, .layers = 1, .max_length = 70}, 12},
        Case{{.items = 300, .dimension = 20, .hidden = 9, .layers = 3, .max_length = 12}, 40}}) {
    const std::vector<float> weights = random_weights(gru4rec_weights(shape), 1);
    const auto sequences = random_sequences(users, shape.items, shape.max_length);
    std::vector<float> own(weights.size());
    Gru4recGradient gradient(shape, /*dropout=*/0, kCrossEntropy, std::nullopt);
    const double loss =
        gradient.add(batch_of(sequences, shape.max_length), weights, panels_of(shape, weights),
                     /*scale=*/1, /*key=*/0, own);

    std::vector<float> copy = weights;
    Libtorch libtorch{shape, gru4rec_weights(shape),
                      torch::from_blob(copy.data(), {static_cast<std::int64_t>(copy.size())})
                          .set_requires_grad(true)};
    Tensor expected_loss = torch::zeros({});
    for (const auto& sequence : sequences) expected_loss = expected_loss + libtorch.loss(sequence);
    expected_loss.backward();
    EXPECT_NEAR(loss / expected_loss.item<double>(), 1, 1e-5);
    const Tensor expected = libtorch.weights.grad().contiguous();
    const std::span<const float> theirs(expected.data_ptr<float>(), own.size());
    for (const WeightPlace& place : gru4rec_weights(shape).places) {
      const auto offset = static_cast<std::size_t>(place.offset);
      const auto size = static_cast<std::size_t>(place.size);
      const double error =
          relative_error(std::span(own).subspan(offset, size), theirs.subspan(offset, size));
      EXPECT_LT(error, 1e-4) << place.name;
    }
  }
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
