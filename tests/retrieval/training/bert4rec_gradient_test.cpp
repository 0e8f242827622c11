#include "rapport/retrieval/training/bert4rec_gradient.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <random>

#include "sequence_model_testing.h"

namespace rapport::retrieval {
namespace {

using torch::Tensor;

/// Sequences up to twice as long as what is read, a third of their items masked.
TrainingBatch random_batch(const Bert4recShape& shape, std::size_t users) {
  std::mt19937 random(1);
  base::SplitMix64 masks(2);
  TrainingBatch batch;
  for (std::size_t user = 0; user < users; ++user) {
    std::vector<data::ItemIndex> sequence(2 +
                                          random() % static_cast<unsigned>(2 * shape.max_length));
    for (auto& item : sequence)
      item = static_cast<data::ItemIndex>(random() % static_cast<unsigned>(shape.items));
    batch.add_masked(sequence, shape.max_length,
                     {.mask = shape.mask(), .mask_share = 0.33, .last_share = 0.2}, masks);
  }
  return batch;
}

ItemPanels panels_of(const Bert4recShape& shape, std::span<const float> weights) {
  ItemPanels panels(shape.items, shape.dimension);
  panels.fill(weights.data() + bert4rec_weights(shape).item_embedding, 0, panels.count());
  return panels;
}

/// libtorch's own operations and autograd in double, one sequence at a time, all positions.
struct Libtorch {
  Bert4recShape shape;
  Bert4recWeights layout;
  Tensor weights;  // [weights], a leaf

  Tensor part(std::int64_t offset, std::int64_t rows, std::int64_t columns) const {
    return weights.slice(0, offset, offset + rows * columns).view({rows, columns});
  }
  Tensor vector(std::int64_t offset, std::int64_t width) const {
    return weights.slice(0, offset, offset + width);
  }
  Tensor norm(const Tensor& x, std::int64_t weight, std::int64_t bias) const {
    const std::int64_t d = shape.dimension;
    return torch::layer_norm(x, {d}, vector(weight, d), vector(bias, d),
                             static_cast<double>(kTransformerNormEpsilon));
  }
  Tensor through(const TransformerBlock& block, const Tensor& x) const {
    const std::int64_t d = shape.dimension, inner = shape.inner, n = x.size(0);
    const Tensor normed = norm(x, block.attention_norm_weight, block.attention_norm_bias);
    const auto heads = [&](const Tensor& t) {
      return t.reshape({n, shape.heads, d / shape.heads}).transpose(0, 1);
    };
    const Tensor query =
        heads(torch::matmul(normed, part(block.query_weight, d, d)) + vector(block.query_bias, d));
    const Tensor key_value = torch::matmul(normed, part(block.key_value_weight, d, 2 * d)) +
                             vector(block.key_value_bias, 2 * d);
    const Tensor key = heads(key_value.slice(1, 0, d)), value = heads(key_value.slice(1, d, 2 * d));
    const double scale = 1 / std::sqrt(static_cast<double>(d / shape.heads));
    const Tensor shares = torch::softmax(torch::matmul(query, key.transpose(1, 2)) * scale, -1);
    const Tensor attended = torch::matmul(shares, value).transpose(0, 1).reshape({n, d});
    const Tensor middle =
        x + torch::matmul(attended, part(block.output_weight, d, d)) + vector(block.output_bias, d);
    const Tensor f =
        torch::matmul(norm(middle, block.feed_forward_norm_weight, block.feed_forward_norm_bias),
                      part(block.inner_weight, d, inner)) +
        vector(block.inner_bias, inner);
    return middle + torch::matmul(torch::gelu(f, "tanh"), part(block.outer_weight, inner, d)) +
           vector(block.outer_bias, d);
  }
  Tensor loss(const TrainingBatch& batch) const {
    const std::int64_t d = shape.dimension;
    const Tensor items = part(layout.item_embedding, shape.items + 1, d);  // the mask is the last
    const auto indexes = [](const std::vector<std::int32_t>& values) {
      return torch::tensor(std::vector<std::int64_t>(values.begin(), values.end()));
    };
    const Tensor embedded = torch::embedding(items, indexes(batch.sequences.items)) *
                                std::sqrt(static_cast<double>(d)) +
                            torch::embedding(part(layout.position_embedding, shape.max_length, d),
                                             indexes(batch.sequences.positions));
    std::vector<Tensor> states;
    for (std::size_t s = 0; s + 1 < batch.sequences.offsets.size(); ++s) {
      Tensor x = embedded.slice(0, batch.sequences.offsets[s], batch.sequences.offsets[s + 1]);
      for (const TransformerBlock& block : layout.blocks) x = through(block, x);
      states.push_back(norm(x, layout.final_norm_weight, layout.final_norm_bias));
    }
    const Tensor predicted = torch::cat(states).index_select(0, indexes(batch.predicted));
    return torch::nn::functional::cross_entropy(
        torch::matmul(predicted, items.slice(0, 0, shape.items).t()), indexes(batch.targets),
        torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum));
  }
};

TEST(Bert4recGradient, EqualsLibtorchsLossAndGradients) {
  struct Case {
    Bert4recShape shape;
    std::size_t users;
  };
  // Longer than a block of attention rows; one block and several, one head and several.
  for (const auto& [shape, users] :
       {Case{{.items = 60, .dimension = 16, .blocks = 2, .heads = 4, .inner = 24, .max_length = 70},
             15},
        Case{{.items = 300, .dimension = 12, .blocks = 1, .heads = 1, .inner = 7, .max_length = 12},
             30},
        Case{{.items = 90, .dimension = 18, .blocks = 3, .heads = 3, .inner = 20, .max_length = 30},
             10}}) {
    const std::vector<float> weights = random_weights(bert4rec_weights(shape), 1);
    const TrainingBatch batch = random_batch(shape, users);
    std::vector<float> own(weights.size());
    Bert4recGradient gradient(shape, /*dropout=*/0);
    const double loss =
        gradient.add(batch, weights, panels_of(shape, weights), /*scale=*/1, /*key=*/0, own);

    Libtorch libtorch{
        shape, bert4rec_weights(shape),
        torch::tensor(std::vector<double>(weights.begin(), weights.end())).set_requires_grad(true)};
    const Tensor expected_loss = libtorch.loss(batch);
    expected_loss.backward();
    EXPECT_NEAR(loss / expected_loss.item<double>(), 1, 1e-5);
    const Tensor expected = libtorch.weights.grad().to(torch::kFloat).contiguous();
    for (const WeightPlace& place : bert4rec_weights(shape).places) {
      const auto offset = static_cast<std::size_t>(place.offset);
      auto size = static_cast<std::size_t>(place.size);
      auto begin = offset;
      // The gradient of the key's bias is zero: it moves all logits of a row alike.
      if (place.name.ends_with("key_value.bias")) {
        for (std::size_t i = 0; i < size / 2; ++i) EXPECT_NEAR(own[offset + i], 0, 1e-3);
        begin += size / 2;
        size /= 2;
      }
      const std::span<const float> theirs(expected.data_ptr<float>() + begin, size);
      EXPECT_LT(relative_error(std::span(own).subspan(begin, size), theirs), 1e-4) << place.name;
    }
  }
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

/// With dropout there is no closed form, but the gradient must be that of the very loss computed:
/// a step along it changes the loss as the slope says, part by part.
TEST(Bert4recGradient, IsTheSlopeOfTheLossWithDropoutToo) {
  const Bert4recShape shape{
      .items = 50, .dimension = 12, .heads = 2, .inner = 20, .max_length = 15};
  const std::vector<float> weights = random_weights(bert4rec_weights(shape), 4);
  const TrainingBatch batch = random_batch(shape, 20);
  Bert4recGradient gradient(shape, /*dropout=*/0.3);
  std::vector<float> slope(weights.size()), unused(weights.size());
  const auto loss = [&](const std::vector<float>& at, std::uint64_t key, std::vector<float>& g) {
    return gradient.add(batch, at, panels_of(shape, at), 1, key, g);
  };
  loss(weights, 5, slope);
  for (const WeightPlace& place : bert4rec_weights(shape).places) {
    const auto begin = static_cast<std::size_t>(place.offset);
    const std::size_t end = begin + static_cast<std::size_t>(place.size);
    double squares = 0;
    for (std::size_t i = begin; i < end; ++i) squares += static_cast<double>(slope[i]) * slope[i];
    ASSERT_GT(squares, 0) << place.name;
    constexpr double kStep = 1e-2;
    const auto moved = [&](double sign) {
      std::vector<float> at = weights;
      for (std::size_t i = begin; i < end; ++i)
        at[i] += static_cast<float>(sign * kStep / std::sqrt(squares) * slope[i]);
      return loss(at, 5, unused);
    };
    EXPECT_NEAR((moved(1) - moved(-1)) / (2 * kStep) / std::sqrt(squares), 1, 0.02) << place.name;
  }
  EXPECT_NE(loss(weights, 5, unused), loss(weights, 6, unused));
}

}  // namespace
}  // namespace rapport::retrieval
