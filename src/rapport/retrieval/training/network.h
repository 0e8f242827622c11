// What each model of sequences computes, by libtorch's own operations on a padded batch: the
// textbook's way, which any device can take. The gradients by hand (…_gradient.h) are those of the
// same networks, and the tests hold one to the other.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>

#include "rapport/retrieval/bert4rec.h"
#include "rapport/retrieval/caser.h"
#include "rapport/retrieval/gru4rec.h"
#include "rapport/retrieval/sasrec.h"
#include "rapport/retrieval/training/leaves.h"

namespace rapport::retrieval {

/// Sequences as long as the longest, padded behind. What stands in the padding is a valid index and
/// nothing more.
struct PaddedBatch {
  torch::Tensor items;      // [sequences × length], int64
  torch::Tensor positions;  // the same, as PackedSequences has them
  torch::Tensor lengths;    // [sequences], int64, without padding
  torch::Tensor users;      // [sequences], int64, of windows; else [0]
};

/// Drops a share of the elements and scales the rest up.
class RandomDropout {
 public:
  /// The choice follows from `key`, on one kind of device.
  RandomDropout(double probability, const torch::Device& device, std::uint64_t key);
  torch::Tensor operator()(const torch::Tensor& x) const;

 private:
  double probability_;
  torch::Generator generator_;  // of its own: nobody else's draws come between
};

struct Network {
  std::int64_t items = 0, dimension = 0;  // of the vectors that score items
  std::int64_t item_embedding = 0;        // where these begin in the weights
  /// [sequences × length × dimension], what scores the items after each position; in the padding
  /// anything but a NaN.
  std::function<torch::Tensor(const Leaves& leaves, const PaddedBatch& batch,
                              const RandomDropout& dropped)>
      states;
};

Network network_of(const SasrecShape& shape);
Network network_of(const Bert4recShape& shape);
Network network_of(const Gru4recShape& shape);
Network network_of(const CaserShape& shape, std::int64_t users);

}  // namespace rapport::retrieval
