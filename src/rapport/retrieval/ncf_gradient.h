// The pointwise loss of NCF on a batch and its gradient, by hand: the binary cross-entropy of each
// interaction and of some items that its user did not take.
//
//   NcfGradient gradient(shape, users, {.negatives = 4}, sampler);
//   const double loss = gradient.compute(batch, weights, key, threads, out);
//
// Parts of a batch run side by side, each with a gradient of the layers of its own; the gradient of
// a row of an embedding is summed over the examples that have it by one thread, in their order. So
// the threads do not change the result.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/retrieval/interactions.h"
#include "rapport/retrieval/ncf.h"
#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {

/// What is trained, in the names of ncf.h.
struct NcfTrainedWeights : WeightLayout {
  std::int64_t user = 0, item = 0;                // [… × width]: p and p', q and q'
  std::int64_t layers = 0;                        // where what follows begins
  std::int64_t product = 0;                       // [dimension]: g
  std::int64_t user_weight = 0, item_weight = 0;  // [hidden × hidden]: U and V, transposed
  std::int64_t first_bias = 0;                    // [hidden]
  NcfTower tower;
};
NcfTrainedWeights ncf_trained_weights(const NcfShape& shape, std::int64_t users);

struct NcfLoss {
  std::int64_t negatives = 4;  // of an interaction
  double regularisation = 0;   // L2 on the embeddings of each pair of a user and an item
};

class NcfGradient {
 public:
  /// `sampler` outlives this.
  NcfGradient(const NcfShape& shape, std::int64_t users, const NcfLoss& loss,
              const NegativeSampler& sampler);

  const NcfTrainedWeights& layout() const { return layout_; }

  /// The mean over the batch's pairs, without the squares; gradient [weights], written, is of that
  /// and half the squares times the regularisation. `key` determines the negatives.
  double compute(std::span<const Interaction> batch, std::span<const float> weights,
                 std::uint64_t key, TrainingThreads& threads, std::span<float> gradient);

 private:
  struct Part;
  /// Of interactions [begin, end) of the batch; returns the sum of the losses.
  double compute_part(std::span<const Interaction> batch, std::int64_t begin, std::int64_t end,
                      const float* weights, float* layers);
  void gather(std::span<const Interaction> batch, std::int64_t begin, const float* weights,
              Part& part);
  void forward(const float* weights, Part& part) const;
  double weigh(const float* weights, Part& part) const;
  void backward(const float* weights, Part& part, float* layers) const;
  void scatter(std::int64_t begin, const float* weights, Part& part, float* layers);

  const NcfShape shape_;
  const std::int64_t users_;
  const NcfLoss loss_;
  const NegativeSampler& sampler_;
  const NcfTrainedWeights layout_;
  // Memory that a step takes, kept for the next one. An interaction is a group of examples, one
  // after the other: the item, then its negatives.
  std::vector<std::int32_t> negatives_;                 // [batch × negatives]
  std::vector<std::int32_t> user_of_, item_of_;         // [batch], [examples]
  std::vector<float> user_gradients_, item_gradients_;  // [… × width], of each
  std::vector<float> layer_gradients_;                  // [parts × layers]
  std::vector<double> losses_;                          // [parts]
};

}  // namespace rapport::retrieval
