// Softmax cross-entropy against the whole catalogue and its gradients in one pass over chunks of
// rows: the [rows × items] logits never exist, and none is computed twice.
//
//   ItemPanels panels(items, width);
//   panels.fill(embedding, 0, panels.count());   after each change of the embedding
//   CrossEntropy loss(items, width);              one a thread
//   const double sum = loss.add({.embedding = embedding, .panels = panels, .hidden = hidden, …});
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/retrieval/item_panels.h"
#include "rapport/retrieval/sparse_matrix.h"

namespace rapport::retrieval {

/// More logits that a row has for few items each: those that are like some items of its own.
/// logits[r, j] += Σ_a weights[r, a] · kernel[contexts[r, a], j].
struct KernelLogits {
  const SparseMatrix* kernel = nullptr;    // [items × items]; null: there are none
  std::int64_t terms = 0;                  // of a row
  const std::int32_t* contexts = nullptr;  // [rows × terms] rows of the kernel; -1: none
  const float* weights = nullptr;          // [rows × terms]
  float* weight_gradient = nullptr;        // [rows × terms], written
};

/// Not thread-safe: it owns the memory that a chunk takes.
class CrossEntropy {
 public:
  CrossEntropy(std::int64_t items, std::int64_t width);

  struct Batch {
    const float* embedding = nullptr;  // [items × width], what `panels` were filled with
    const ItemPanels& panels;
    std::int64_t rows = 0;
    const float* hidden = nullptr;          // [rows × width]
    const std::int32_t* targets = nullptr;  // [rows]
    float scale = 1;  // of the gradients: 1 / positions of the batch for a mean loss
    float* hidden_gradient = nullptr;     // [rows × width], written
    float* embedding_gradient = nullptr;  // [items × width], added to
    KernelLogits kernel = {};
  };
  /// The sum over rows of -log softmax(hidden · embeddingᵀ + the kernel's)[target].
  double add(const Batch& batch);

 private:
  double add_chunk(const Batch& batch);
  void write_kernel_logits(const KernelLogits& kernel, std::int64_t rows);
  void write_kernel_gradient(const KernelLogits& kernel, std::int64_t rows, std::int64_t row,
                             std::int32_t target, float factor, float scale);

  std::int64_t items_, width_;
  std::int64_t chunk_;           // rows taken at a time
  std::vector<float> logits_;    // [panels × rows × kItems], then their exponentials
  std::vector<float> weighted_;  // [rows × width], hidden with what turns exponentials into shares
  std::vector<float> lanes_;     // [rows × kLanes], the largest logit, then the sum, by column
  std::vector<float> largest_;   // [rows]
};

}  // namespace rapport::retrieval
