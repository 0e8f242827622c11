// The BPR loss of LightGCN and its gradient, by hand. Users and items are the nodes of one graph,
// users first, with an edge for each interaction; Â is its symmetric adjacency, normalised by the
// roots of both degrees. With the embeddings E of all nodes the model is X = E + ÂE + … + Â^L E,
// and a user's score of an item is the product of their rows of X / (L + 1).
//
//   LightgcnGradient gradient(histories, items, {.dimension = 64, .layers = 3}, {.negatives = 4},
//                             sampler);
//   const double loss = gradient.compute(batch, embeddings, key, threads, out);
//
// Â is symmetric, so the gradient travels back as the embeddings came. What the batch pulls where
// is a symmetric sparse matrix of nodes by nodes too, so that all of a step is products of rows,
// each summed by one thread in a fixed order: the threads do not change the result.
//
// Source: He, Deng, Wang, Li, Zhang & Wang 2020.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/retrieval/interactions.h"
#include "rapport/retrieval/sparse_matrix.h"
#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {

struct LightgcnShape {
  std::int64_t dimension = 64;
  std::int64_t layers = 3;  // times that embeddings travel along the edges
};

struct LightgcnLoss {
  std::int64_t negatives = 1;  // of an interaction; its loss is the mean over them
  double regularisation = 0;   // L2 on the embeddings of each pair of a user and an item
};

/// Â [nodes × nodes], entries of a row ascending.
SparseMatrix normalised_graph(Histories histories, std::int64_t items);

class LightgcnGradient {
 public:
  /// histories: the edges; each item once. `sampler` outlives this.
  LightgcnGradient(Histories histories, std::int64_t items, const LightgcnShape& shape,
                   const LightgcnLoss& loss, const NegativeSampler& sampler);

  /// The mean over `batch` of -log σ(score of the item - score of a negative), without the squares;
  /// gradient [nodes × dimension], written, is of that and half the squares times the
  /// regularisation. `key` determines the negatives.
  double compute(std::span<const Interaction> batch, std::span<const float> embeddings,
                 std::uint64_t key, TrainingThreads& threads, std::span<float> gradient);

  /// The sum of the first `layers` layers after `embeddings`, itself included: [nodes × dimension].
  std::span<const float> propagate(std::span<const float> embeddings, std::int64_t layers,
                                   TrainingThreads& threads);

 private:
  std::span<const float> propagate_into(std::span<const float> start, std::int64_t layers,
                                        TrainingThreads& threads, std::vector<float>& sum);
  double weigh(std::span<const Interaction> batch, std::span<const float> sum,
               TrainingThreads& threads);
  void collect_pulls(std::span<const Interaction> batch);

  const LightgcnShape shape_;
  const LightgcnLoss loss_;
  const std::int64_t users_, items_;
  const NegativeSampler& sampler_;
  const SparseMatrix graph_;
  // Memory that a step takes, kept for the next one.
  std::vector<std::int32_t> negatives_;  // [batch × negatives]; -1: none was found
  std::vector<float> slopes_;            // [batch × negatives] of the loss
  std::vector<double> losses_;           // of parts of the batch
  SparseMatrix pulls_;                   // [nodes × nodes]
  std::vector<std::int64_t> next_;       // [nodes]
  std::vector<float> sum_, back_, scratch_;
};

}  // namespace rapport::retrieval
