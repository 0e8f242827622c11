#include "rapport/retrieval/lightgcn_gradient.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rapport/retrieval/sparse_dense_product.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

/// Rows of a product, and interactions of a batch, that a thread takes at a time. Losses are summed
/// by the latter, so that they are part of the result.
constexpr std::int64_t kRows = 64, kPart = 1024;

RAPPORT_INLINE float product(const float* a, const float* b, std::int64_t width) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < width; ++i) sum += a[i] * b[i];
  return sum;
}

struct Pairs {
  std::span<const Interaction> batch;
  std::int64_t negatives, users, width;
  const float* sum;  // [nodes × width]
  float scale;       // of a product of two rows, as a score
};

/// The slopes of interactions [begin, end); returns the sum of their losses.
RAPPORT_VECTORISED double weigh_pairs(const Pairs& pairs, std::int64_t begin, std::int64_t end,
                                      const std::int32_t* negatives, float* slopes) {
  const auto row = [&](std::int64_t node) { return pairs.sum + node * pairs.width; };
  const float share = 1 / static_cast<float>(pairs.negatives);
  const float step = share * pairs.scale / static_cast<float>(pairs.batch.size());
  double loss = 0;
  for (std::int64_t e = begin; e < end; ++e) {
    const Interaction& interaction = pairs.batch[static_cast<std::size_t>(e)];
    const float* const user = row(interaction.user);
    const float own = product(user, row(pairs.users + interaction.item), pairs.width);
    for (std::int64_t n = e * pairs.negatives; n < (e + 1) * pairs.negatives; ++n) {
      slopes[n] = 0;
      if (negatives[n] < 0) continue;
      const float other = product(user, row(pairs.users + negatives[n]), pairs.width);
      const float behind = pairs.scale * (other - own);
      loss += static_cast<double>(share * softplus(behind));
      slopes[n] = step * sigmoid(behind);
    }
  }
  return loss;
}

}  // namespace

SparseMatrix normalised_graph(Histories histories, std::int64_t items) {
  const auto users = static_cast<std::int64_t>(histories.size());
  const std::vector<std::int64_t> degrees = item_counts(histories, items);

  SparseMatrix half{.columns = items};  // [users × items]
  for (const auto history : histories) {
    std::vector<data::ItemIndex> sorted(history.begin(), history.end());
    std::ranges::sort(sorted);
    for (const data::ItemIndex item : sorted) {
      half.indices.push_back(item);
      half.values.push_back(1 /
                            std::sqrt(static_cast<float>(history.size()) *
                                      static_cast<float>(degrees[static_cast<std::size_t>(item)])));
    }
    half.end_row();
  }
  const SparseMatrix other = half.transposed();  // [items × users]

  SparseMatrix graph = std::move(half);
  graph.columns = users + items;
  for (std::int32_t& item : graph.indices) item += static_cast<std::int32_t>(users);
  graph.indices.insert(graph.indices.end(), other.indices.begin(), other.indices.end());
  graph.values.insert(graph.values.end(), other.values.begin(), other.values.end());
  const std::int64_t edges = graph.offsets.back();
  for (std::size_t i = 1; i < other.offsets.size(); ++i)
    graph.offsets.push_back(edges + other.offsets[i]);
  return graph;
}

LightgcnGradient::LightgcnGradient(Histories histories, std::int64_t items,
                                   const LightgcnShape& shape, const LightgcnLoss& loss,
                                   const NegativeSampler& sampler)
    : shape_(shape),
      loss_(loss),
      users_(static_cast<std::int64_t>(histories.size())),
      items_(items),
      sampler_(sampler),
      graph_(normalised_graph(histories, items)),
      pulls_{.columns = users_ + items_} {}

std::span<const float> LightgcnGradient::propagate(std::span<const float> embeddings,
                                                   std::int64_t layers, TrainingThreads& threads) {
  return propagate_into(embeddings, layers, threads, sum_);
}

/// By Horner's rule: start + Â(start + Â(start + …)).
std::span<const float> LightgcnGradient::propagate_into(std::span<const float> start,
                                                        std::int64_t layers,
                                                        TrainingThreads& threads,
                                                        std::vector<float>& sum) {
  sum.assign(start.begin(), start.end());
  scratch_.resize(start.size());
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const SparseDenseProduct travel{.sparse = graph_,
                                    .width = shape_.dimension,
                                    .x = sum.data(),
                                    .base = start.data(),
                                    .out = scratch_.data()};
    threads.over(users_ + items_, kRows,
                 [&](std::int64_t begin, std::int64_t end) { multiply_rows(travel, begin, end); });
    std::swap(sum, scratch_);
  }
  return sum;
}

double LightgcnGradient::weigh(std::span<const Interaction> batch, std::span<const float> sum,
                               TrainingThreads& threads) {
  const auto layers = static_cast<float>(shape_.layers + 1);
  const Pairs pairs{.batch = batch,
                    .negatives = loss_.negatives,
                    .users = users_,
                    .width = shape_.dimension,
                    .sum = sum.data(),
                    .scale = 1 / (layers * layers)};
  const auto size = static_cast<std::int64_t>(batch.size());
  slopes_.resize(negatives_.size());
  losses_.assign(static_cast<std::size_t>((size + kPart - 1) / kPart), 0);
  threads.over(size, kPart, [&](std::int64_t begin, std::int64_t end) {
    losses_[static_cast<std::size_t>(begin / kPart)] =
        weigh_pairs(pairs, begin, end, negatives_.data(), slopes_.data());
  });
  return std::accumulate(losses_.begin(), losses_.end(), 0.0) / static_cast<double>(size);
}

/// Row by row, how the gradient of a node is made of the other nodes' rows.
void LightgcnGradient::collect_pulls(std::span<const Interaction> batch) {
  const auto each = [&](const auto& visit) {  // visit(node, other, value)
    const auto count = static_cast<std::size_t>(loss_.negatives);
    for (std::size_t e = 0; e < batch.size(); ++e) {
      const auto user = static_cast<std::int32_t>(batch[e].user);
      float own = 0;
      const auto both = [&](std::int32_t item, float value) {
        const auto node = static_cast<std::int32_t>(users_) + item;
        visit(user, node, value);
        visit(node, user, value);
      };
      for (std::size_t n = e * count; n < (e + 1) * count; ++n) {
        if (negatives_[n] < 0) continue;
        both(negatives_[n], slopes_[n]);
        own -= slopes_[n];
      }
      both(batch[e].item, own);
    }
  };
  pulls_.offsets.assign(static_cast<std::size_t>(users_ + items_) + 1, 0);
  each([&](std::int32_t node, std::int32_t, float) {
    ++pulls_.offsets[static_cast<std::size_t>(node) + 1];
  });
  std::partial_sum(pulls_.offsets.begin(), pulls_.offsets.end(), pulls_.offsets.begin());
  next_.assign(pulls_.offsets.begin(), pulls_.offsets.end() - 1);
  pulls_.indices.resize(static_cast<std::size_t>(pulls_.offsets.back()));
  pulls_.values.resize(pulls_.indices.size());
  each([&](std::int32_t node, std::int32_t other, float value) {
    const auto place = static_cast<std::size_t>(next_[static_cast<std::size_t>(node)]++);
    pulls_.indices[place] = other;
    pulls_.values[place] = value;
  });
}

double LightgcnGradient::compute(std::span<const Interaction> batch,
                                 std::span<const float> embeddings, std::uint64_t key,
                                 TrainingThreads& threads, std::span<float> gradient) {
  const std::int64_t nodes = users_ + items_, width = shape_.dimension;
  propagate(embeddings, shape_.layers, threads);
  sampler_.draw(batch, loss_.negatives, key, threads, negatives_);
  const double loss = weigh(batch, sum_, threads);
  collect_pulls(batch);

  const SparseDenseProduct pull{
      .sparse = pulls_, .width = width, .x = sum_.data(), .out = gradient.data()};
  threads.over(nodes, kRows,
               [&](std::int64_t begin, std::int64_t end) { multiply_rows(pull, begin, end); });
  const std::span<const float> back = propagate_into(gradient, shape_.layers, threads, back_);

  // How often a node is in the batch weighs its own embedding: each pair of a pull is one time.
  const auto share = static_cast<float>(loss_.regularisation / static_cast<double>(batch.size()));
  threads.over(nodes, kRows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t node = begin; node < end; ++node) {
      const auto i = static_cast<std::size_t>(node);
      const float squares = share * static_cast<float>(pulls_.offsets[i + 1] - pulls_.offsets[i]);
      for (auto k = static_cast<std::size_t>(node * width);
           k < static_cast<std::size_t>((node + 1) * width); ++k)
        gradient[k] = back[k] + squares * embeddings[k];
    }
  });
  return loss;
}

}  // namespace rapport::retrieval
