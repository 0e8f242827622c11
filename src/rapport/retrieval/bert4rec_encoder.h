// BERT4Rec's way from items and masks to the states of what is masked, and back: inference takes
// the first half, training both. By hand, without a tensor library.
//
//   Bert4recEncoder encoder(shape, dropout);
//   const std::span<const float> states = encoder.forward(batch, masked, weights, key);
//   encoder.backward(batch, masked, weights, states_gradient, gradients);
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/retrieval/bert4rec.h"

namespace rapport::retrieval {

/// Not thread-safe: it owns the memory that a batch takes, and keeps it for the next one.
class Bert4recEncoder {
 public:
  /// `dropout` is that of the embedded items, of the attention's shares and of what each half of a
  /// block adds.
  /// With `goes_back` false there is no backward, and blocks share the memory that one takes.
  Bert4recEncoder(const Bert4recShape& shape, double dropout, bool goes_back = true);

  /// The states [masked × dimension] of positions `masked` of the batch, ascending and at least
  /// one. `key` determines the dropout. Valid until the next call.
  std::span<const float> forward(const PackedSequences& batch, std::span<const std::int32_t> masked,
                                 const float* weights, std::uint64_t key);
  /// Of the last forward, with the same arguments. `gradients` [weights] are added to.
  void backward(const PackedSequences& batch, std::span<const std::int32_t> masked,
                const float* weights, const float* states_gradient, float* gradients);

 private:
  struct Block {
    std::vector<float> x;  // [positions × d], what it reads
    TransformerDropout dropout;
    TransformerTrace trace;
  };
  Block& memory_of(std::size_t block) { return memory_[goes_back_ ? block : block % 2]; }
  TransformerRows rows(std::size_t block, const PackedSequences& batch,
                       std::span<const std::int32_t> masked) const;

  Bert4recShape shape_;
  Bert4recWeights layout_;
  float dropout_;
  Dropout embedded_dropout_;
  bool goes_back_;
  std::vector<Block> memory_;            // a block's, or of two by turns
  std::vector<float> last_, states_;     // [masked × d], before and after the final norm
  std::vector<float> gradient_, below_;  // [positions × d], of a block's output and input
};

}  // namespace rapport::retrieval
