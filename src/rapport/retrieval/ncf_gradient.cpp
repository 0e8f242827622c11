#include "rapport/retrieval/ncf_gradient.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/linear.h"
#include "rapport/retrieval/narrow_product.h"
#include "rapport/retrieval/sparse_dense_product.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

/// Interactions of a part of a batch, whose activations stay in the second-level cache. Part of the
/// result, as the gradients of layers are summed by it.
constexpr std::int64_t kPart = 128;
/// Rows of an embedding's gradient that a thread takes at a time.
constexpr std::int64_t kRows = 64;

/// x = max(0, x).
RAPPORT_VECTORISED void relu(std::span<float> x) {
  for (float& value : x) value = value > 0 ? value : 0;
}

/// The gradient before a relu from the one behind it, in place.
RAPPORT_VECTORISED void relu_backward(std::span<const float> x, std::span<float> gradient) {
  for (std::size_t i = 0; i < x.size(); ++i) gradient[i] = x[i] > 0 ? gradient[i] : 0;
}

/// A pair of embeddings of the factorisation, both [width], and the layer over their products.
struct Pair {
  const float *g, *p, *q;
  std::int64_t width;
};

/// Σ g · p · q.
RAPPORT_VECTORISED float product(const Pair& pair) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < pair.width; ++i) sum += pair.g[i] * pair.p[i] * pair.q[i];
  return sum;
}

/// The gradients of a product whose slope is `slope`: those of g and p are added to, that of q is
/// written.
RAPPORT_VECTORISED void product_backward(const Pair& pair, float slope, float* d_g, float* d_p,
                                         float* d_q) {
  for (std::int64_t i = 0; i < pair.width; ++i) {
    d_g[i] += slope * pair.p[i] * pair.q[i];
    d_p[i] += slope * pair.g[i] * pair.q[i];
    d_q[i] = slope * pair.g[i] * pair.p[i];
  }
}

/// Which examples have each of `rows` rows: [rows × examples], ones.
SparseMatrix examples_by_row(std::span<const std::int32_t> row_of_example, std::int64_t rows) {
  SparseMatrix by_example{.columns = rows};
  by_example.indices.assign(row_of_example.begin(), row_of_example.end());
  by_example.values.assign(row_of_example.size(), 1.0f);
  by_example.offsets.resize(row_of_example.size() + 1);
  std::iota(by_example.offsets.begin(), by_example.offsets.end(), 0);
  return by_example.transposed();
}

}  // namespace

NcfTrainedWeights ncf_trained_weights(const NcfShape& shape, std::int64_t users) {
  NcfTrainedWeights weights;
  const std::int64_t h = shape.hidden;
  weights.user = weights.add("user_factors", {users, shape.width()});
  weights.item = weights.add("item_factors", {shape.items, shape.width()});
  weights.layers = weights.total;
  weights.product = weights.add("output.product", {shape.dimension});
  weights.user_weight = weights.add("first.user.weight", {h, h});
  weights.item_weight = weights.add("first.item.weight", {h, h});
  weights.first_bias = weights.add("first.bias", {h});
  weights.tower = NcfTower::add_to(shape, weights);
  return weights;
}

/// The activations of a part of a batch and their gradients.
struct NcfGradient::Part {
  std::int64_t groups, examples, per_group;
  float scale = 0;                     // of a pair's loss in the mean
  std::vector<float> p, p_hidden;      // [groups × dimension], [groups × hidden]
  std::vector<float> q, q_hidden;      // [examples × …]
  std::vector<float> first_of_user;    // [groups × hidden]
  std::vector<float> x1, x2, x3;       // [examples × …] behind each relu
  std::vector<float> counts;           // [examples] 0 for a negative that was not found, else 1
  std::vector<float> slopes;           // [examples] of the loss by the score
  std::vector<float> d_first_of_user;  // gradients of the above
  std::vector<float> d_p_hidden, d_q_hidden, d1, d2, d3;

  Part(const NcfShape& shape, std::int64_t group_count, std::int64_t group_size)
      : groups(group_count), examples(group_count * group_size), per_group(group_size) {
    const auto resize = [](std::initializer_list<std::vector<float>*> all, std::int64_t size) {
      for (auto* const each : all) each->resize(static_cast<std::size_t>(size));
    };
    resize({&p}, groups * shape.dimension);
    resize({&q}, examples * shape.dimension);
    resize({&p_hidden, &d_p_hidden, &first_of_user, &d_first_of_user}, groups * shape.hidden);
    resize({&q_hidden, &d_q_hidden, &x1, &d1}, examples * shape.hidden);
    resize({&x2, &d2}, examples * shape.second());
    resize({&x3, &d3}, examples * shape.third());
    resize({&counts, &slopes}, examples);
  }

  Pair pair(const float* g, std::int64_t example, std::int64_t width) const {
    return {.g = g,
            .p = p.data() + example / per_group * width,
            .q = q.data() + example * width,
            .width = width};
  }
};

NcfGradient::NcfGradient(const NcfShape& shape, std::int64_t users, const NcfLoss& loss,
                         const NegativeSampler& sampler)
    : shape_(shape),
      users_(users),
      loss_(loss),
      sampler_(sampler),
      layout_(ncf_trained_weights(shape, users)) {}

double NcfGradient::compute(std::span<const Interaction> batch, std::span<const float> weights,
                            std::uint64_t key, TrainingThreads& threads,
                            std::span<float> gradient) {
  const auto size = static_cast<std::int64_t>(batch.size());
  const std::int64_t per_group = 1 + loss_.negatives, width = shape_.width();
  const std::int64_t parts = (size + kPart - 1) / kPart, layers = layout_.total - layout_.layers;
  sampler_.draw(batch, loss_.negatives, key, threads, negatives_);
  user_of_.resize(batch.size());
  item_of_.resize(static_cast<std::size_t>(size * per_group));
  user_gradients_.resize(static_cast<std::size_t>(size * width));
  item_gradients_.resize(static_cast<std::size_t>(size * per_group * width));
  layer_gradients_.assign(static_cast<std::size_t>(parts * layers), 0);
  losses_.resize(static_cast<std::size_t>(parts));
  threads.over(size, kPart, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t part = begin / kPart;
    losses_[static_cast<std::size_t>(part)] =
        compute_part(batch, begin, end, weights.data(), layer_gradients_.data() + part * layers);
  });

  const auto sum_rows = [&](std::span<const std::int32_t> row_of_each, std::int64_t rows,
                            const std::vector<float>& gradients, std::int64_t place) {
    const SparseMatrix by_row = examples_by_row(row_of_each, rows);
    const SparseDenseProduct sum{
        .sparse = by_row, .width = width, .x = gradients.data(), .out = gradient.data() + place};
    threads.over(rows, kRows,
                 [&](std::int64_t first, std::int64_t last) { multiply_rows(sum, first, last); });
  };
  sum_rows(user_of_, users_, user_gradients_, layout_.user);
  sum_rows(item_of_, shape_.items, item_gradients_, layout_.item);
  float* const of_layers = gradient.data() + layout_.layers;
  std::fill_n(of_layers, layers, 0.0f);
  add_column_sums(layer_gradients_.data(), parts, layers, layers, of_layers);
  return std::accumulate(losses_.begin(), losses_.end(), 0.0) /
         static_cast<double>(size * per_group);
}

double NcfGradient::compute_part(std::span<const Interaction> batch, std::int64_t begin,
                                 std::int64_t end, const float* weights, float* layers) {
  Part part(shape_, end - begin, 1 + loss_.negatives);
  gather(batch, begin, weights, part);
  forward(weights, part);
  part.scale = 1 / static_cast<float>(static_cast<std::int64_t>(batch.size()) * part.per_group);
  const double loss = weigh(weights, part);
  backward(weights, part, layers);
  scatter(begin, weights, part, layers);
  return loss;
}

void NcfGradient::gather(std::span<const Interaction> batch, std::int64_t begin,
                         const float* weights, Part& part) {
  const std::int64_t d = shape_.dimension, h = shape_.hidden, width = shape_.width();
  const auto copy = [&](const float* row, std::int64_t place, std::vector<float>& factors,
                        std::vector<float>& hidden) {
    std::copy_n(row, d, factors.data() + place * d);
    std::copy_n(row + d, h, hidden.data() + place * h);
  };
  for (std::int64_t group = 0; group < part.groups; ++group) {
    const Interaction& interaction = batch[static_cast<std::size_t>(begin + group)];
    user_of_[static_cast<std::size_t>(begin + group)] = interaction.user;
    copy(weights + layout_.user + interaction.user * width, group, part.p, part.p_hidden);
    for (std::int64_t i = 0; i < part.per_group; ++i) {
      const std::int64_t negative = (begin + group) * loss_.negatives + i - 1;
      const std::int32_t item =
          i == 0 ? interaction.item : negatives_[static_cast<std::size_t>(negative)];
      const std::int64_t example = group * part.per_group + i;
      part.counts[static_cast<std::size_t>(example)] = item >= 0 ? 1 : 0;
      const std::int32_t row = std::max(item, 0);
      item_of_[static_cast<std::size_t>(begin * part.per_group + example)] = row;
      copy(weights + layout_.item + row * width, example, part.q, part.q_hidden);
    }
  }
}

void NcfGradient::forward(const float* weights, Part& part) const {
  const std::int64_t h = shape_.hidden;
  linear_forward({.rows = part.groups, .in = h, .out = h}, part.p_hidden.data(),
                 weights + layout_.user_weight, weights + layout_.first_bias,
                 part.first_of_user.data());
  for (std::int64_t i = 0; i < part.examples; ++i)
    std::copy_n(part.first_of_user.data() + i / part.per_group * h, h, part.x1.data() + i * h);
  multiply_narrow({.m = part.examples,
                   .n = h,
                   .k = h,
                   .row_stride = h,
                   .stride_b = h,
                   .stride_c = h,
                   .add = true},
                  part.q_hidden.data(), weights + layout_.item_weight, part.x1.data());
  relu(part.x1);
  const NcfTower& tower = layout_.tower;
  linear_forward({.rows = part.examples, .in = h, .out = shape_.second()}, part.x1.data(),
                 weights + tower.second_weight, weights + tower.second_bias, part.x2.data());
  relu(part.x2);
  linear_forward({.rows = part.examples, .in = shape_.second(), .out = shape_.third()},
                 part.x2.data(), weights + tower.third_weight, weights + tower.third_bias,
                 part.x3.data());
  relu(part.x3);
}

/// The slopes; returns the sum of the losses.
double NcfGradient::weigh(const float* weights, Part& part) const {
  const float* const g = weights + layout_.product;
  const float* const o = weights + layout_.tower.output_weight;
  double loss = 0;
  for (std::int64_t i = 0; i < part.examples; ++i) {
    const auto example = static_cast<std::size_t>(i);
    const bool was_taken = i % part.per_group == 0;
    const float* const x3 = part.x3.data() + i * shape_.third();
    const float score = product(part.pair(g, i, shape_.dimension)) +
                        std::inner_product(o, o + shape_.third(), x3, 0.0f) +
                        weights[layout_.tower.output_bias];
    loss += static_cast<double>(part.counts[example] * softplus(was_taken ? -score : score));
    part.slopes[example] =
        part.counts[example] * part.scale * (sigmoid(score) - (was_taken ? 1.0f : 0.0f));
  }
  return loss;
}

/// Through the perceptron; `layers` is added to.
void NcfGradient::backward(const float* weights, Part& part, float* layers) const {
  const std::int64_t h = shape_.hidden, second = shape_.second(), third = shape_.third();
  const NcfTower& tower = layout_.tower;
  const auto of = [&](std::int64_t place) { return layers + (place - layout_.layers); };
  for (std::int64_t i = 0; i < part.examples; ++i) {
    const float slope = part.slopes[static_cast<std::size_t>(i)];
    add_scaled(slope, part.x3.data() + i * third, third, of(tower.output_weight));
    add_scaled(slope, weights + tower.output_weight, third, part.d3.data() + i * third);
    *of(tower.output_bias) += slope;
  }
  relu_backward(part.x3, part.d3);
  linear_backward(
      {.rows = part.examples, .in = second, .out = third}, part.x2.data(),
      weights + tower.third_weight, part.d3.data(),
      {.weight = of(tower.third_weight), .bias = of(tower.third_bias), .x = part.d2.data()});
  relu_backward(part.x2, part.d2);
  linear_backward(
      {.rows = part.examples, .in = h, .out = second}, part.x1.data(),
      weights + tower.second_weight, part.d2.data(),
      {.weight = of(tower.second_weight), .bias = of(tower.second_bias), .x = part.d1.data()});
  relu_backward(part.x1, part.d1);
  linear_backward({.rows = part.examples, .in = h, .out = h}, part.q_hidden.data(),
                  weights + layout_.item_weight, part.d1.data(),
                  {.weight = of(layout_.item_weight), .x = part.d_q_hidden.data()});
  for (std::int64_t i = 0; i < part.examples; ++i)
    add_scaled(1, part.d1.data() + i * h, h, part.d_first_of_user.data() + i / part.per_group * h);
  linear_backward({.rows = part.groups, .in = h, .out = h}, part.p_hidden.data(),
                  weights + layout_.user_weight, part.d_first_of_user.data(),
                  {.weight = of(layout_.user_weight),
                   .bias = of(layout_.first_bias),
                   .x = part.d_p_hidden.data()});
}

/// The gradients of embeddings, example by example, through the factorisation too.
void NcfGradient::scatter(std::int64_t begin, const float* weights, Part& part, float* layers) {
  const std::int64_t d = shape_.dimension, h = shape_.hidden, width = shape_.width();
  const float squares = part.scale * static_cast<float>(loss_.regularisation);
  for (std::int64_t group = 0; group < part.groups; ++group) {
    float* const of_user = user_gradients_.data() + (begin + group) * width;
    // Only pairs that there are: a negative that was not found stands there as item 0.
    const auto counts = part.counts.begin() + group * part.per_group;
    const float of_pairs = squares * std::accumulate(counts, counts + part.per_group, 0.0f);
    std::fill_n(of_user, d, 0.0f);
    add_scaled(of_pairs, part.p.data() + group * d, d, of_user);
    std::copy_n(part.d_p_hidden.data() + group * h, h, of_user + d);
    add_scaled(of_pairs, part.p_hidden.data() + group * h, h, of_user + d);
    for (std::int64_t i = group * part.per_group; i < (group + 1) * part.per_group; ++i) {
      float* const of_item = item_gradients_.data() + (begin * part.per_group + i) * width;
      product_backward(part.pair(weights + layout_.product, i, d),
                       part.slopes[static_cast<std::size_t>(i)],
                       layers + (layout_.product - layout_.layers), of_user, of_item);
      const float of_pair = squares * part.counts[static_cast<std::size_t>(i)];
      add_scaled(of_pair, part.q.data() + i * d, d, of_item);
      std::copy_n(part.d_q_hidden.data() + i * h, h, of_item + d);
      add_scaled(of_pair, part.q_hidden.data() + i * h, h, of_item + d);
    }
  }
}

}  // namespace rapport::retrieval
