#include "rapport/retrieval/training/sasrec_gradient.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <random>

#include "reference_model.h"

namespace rapport::retrieval {
namespace {

using torch::Tensor;

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

/// The textbook's way: a padded batch, a mask, all logits at once.
struct Padded {
  SasrecShape shape;
  Tensor weights;  // [weights], a leaf

  Tensor part(std::int64_t offset, at::IntArrayRef extents) const {
    std::int64_t size = 1;
    for (const std::int64_t extent : extents) size *= extent;
    return weights.slice(0, offset, offset + size).view(extents);
  }

  Tensor loss(const std::vector<std::vector<data::ItemIndex>>& sequences) const {
    const SasrecWeights layout = sasrec_weights(shape);
    const std::int64_t d = shape.dimension, length = shape.max_length;
    const auto n = static_cast<std::int64_t>(sequences.size());
    Tensor inputs = torch::zeros({n, length}, torch::kInt64);
    Tensor targets = torch::full({n, length}, -100, torch::kInt64);
    Tensor real = torch::zeros({n, length}, torch::kBool);
    for (std::int64_t row = 0; row < n; ++row) {
      const auto& sequence = sequences[static_cast<std::size_t>(row)];
      const auto size = static_cast<std::int64_t>(sequence.size()) - 1;
      for (std::int64_t i = std::max<std::int64_t>(0, size - length); i < size; ++i) {
        const std::int64_t column = length - size + i;
        inputs[row][column] = sequence[static_cast<std::size_t>(i)];
        targets[row][column] = sequence[static_cast<std::size_t>(i) + 1];
        real[row][column] = true;
      }
    }
    const Tensor items = part(layout.item_embedding, {shape.items, d});
    const auto norm = [&](const Tensor& x, std::int64_t weight, std::int64_t bias) {
      return torch::layer_norm(x, {d}, part(weight, {d}), part(bias, {d}),
                               static_cast<double>(kSasrecNormEpsilon));
    };
    Tensor h = torch::embedding(items, inputs) * std::sqrt(static_cast<double>(d)) +
               part(layout.position_embedding, {length, d});
    const Tensor later = torch::ones({length, length}, torch::kBool).triu(1);
    const Tensor padded = real.logical_not().unsqueeze(2);
    h = h.masked_fill(padded, 0);
    for (const SasrecBlock& block : layout.blocks) {
      const Tensor a = norm(h, block.attention_norm_weight, block.attention_norm_bias);
      const Tensor key_value = torch::matmul(h, part(block.key_value_weight, {d, 2 * d})) +
                               part(block.key_value_bias, {2 * d});
      const Tensor query =
          torch::matmul(a, part(block.query_weight, {d, d})) + part(block.query_bias, {d});
      const auto heads = [&](const Tensor& x) {
        return x.view({n, length, shape.heads, d / shape.heads}).transpose(1, 2);
      };
      const Tensor keys = heads(key_value.slice(2, 0, d).contiguous());
      const Tensor values = heads(key_value.slice(2, d, 2 * d).contiguous());
      const double scale = 1 / std::sqrt(static_cast<double>(d / shape.heads));
      const Tensor logits = (torch::matmul(heads(query), keys.transpose(2, 3)) * scale)
                                .masked_fill(later, -std::numeric_limits<float>::infinity());
      const Tensor attended =
          torch::matmul(torch::softmax(logits, -1), values).transpose(1, 2).reshape({n, length, d});
      h = h + torch::matmul(attended, part(block.output_weight, {d, d})) +
          part(block.output_bias, {d});
      const Tensor f = norm(h, block.feed_forward_norm_weight, block.feed_forward_norm_bias);
      const Tensor inner = torch::relu(torch::matmul(f, part(block.inner_weight, {d, d})) +
                                       part(block.inner_bias, {d}));
      h = f + torch::matmul(inner, part(block.outer_weight, {d, d})) + part(block.outer_bias, {d});
      h = h.masked_fill(padded, 0);
    }
    h = norm(h, layout.final_norm_weight, layout.final_norm_bias);
    const Tensor logits = torch::matmul(h, items.t()).view({n * length, shape.items});
    return torch::nn::functional::cross_entropy(
        logits, targets.view({n * length}),
        torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum));
  }
};

TEST(SasrecGradient, PackedEqualsPaddedLossAndGradients) {
  struct Case {
    SasrecShape shape;
    std::size_t users;
  };
  // Longer than a block of attention rows; several heads; sequences longer than what is read.
  for (const auto& [shape, users] :
       {Case{{.items = 60, .dimension = 16, .blocks = 2, .heads = 1, .max_length = 70}, 20},
        Case{{.items = 300, .dimension = 24, .blocks = 3, .heads = 3, .max_length = 12}, 40}}) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 0.3f);
    std::vector<float> weights(static_cast<std::size_t>(sasrec_weights(shape).total));
    for (float& weight : weights) weight = normal(random);
    std::vector<std::vector<data::ItemIndex>> sequences(users);
    TrainingBatch batch;
    for (auto& sequence : sequences) {
      sequence.resize(2 + random() % static_cast<unsigned>(2 * shape.max_length));
      for (auto& item : sequence)
        item = static_cast<data::ItemIndex>(random() % static_cast<unsigned>(shape.items));
      batch.add(sequence, shape.max_length);
    }
    std::vector<float> packed(weights.size());
    SasrecGradient gradient(shape, /*dropout=*/0, {}, kNoSampler);
    const double loss =
        gradient.add(batch, weights, panels_of(shape, weights), /*scale=*/1, /*key=*/0, packed);

    Padded padded{shape,
                  torch::from_blob(weights.data(), {static_cast<std::int64_t>(weights.size())})
                      .clone()
                      .set_requires_grad(true)};
    const Tensor padded_loss = padded.loss(sequences);
    padded_loss.backward();
    EXPECT_NEAR(loss / padded_loss.item<double>(), 1, 1e-5);
    const Tensor expected = padded.weights.grad().contiguous();
    EXPECT_LT(relative_error(packed, {expected.data_ptr<float>(), packed.size()}), 1e-4);
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
