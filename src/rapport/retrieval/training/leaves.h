// The parts of a flat array of weights as autograd sees them: leaves that share memory with it and
// whose gradients are added where they lie in the flat array of gradients, without a copy.
//
//   const Leaves leaves(tensor_of(weights), tensor_of(gradients));
//   const torch::Tensor weight = leaves.leaf(block.query_weight, {d, d});
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>

namespace rapport::retrieval {

/// Shares the memory of `values`. That of const ones is not to be written to: from_blob takes no
/// const.
inline torch::Tensor tensor_of(std::span<const float> values) {
  return torch::from_blob(const_cast<float*>(values.data()),
                          {static_cast<std::int64_t>(values.size())});
}

class Leaves {
 public:
  /// Both [weights], on one device.
  Leaves(torch::Tensor weights, torch::Tensor gradients)
      : weights_(std::move(weights)), gradients_(std::move(gradients)) {}

  const torch::Tensor& gradients() const { return gradients_; }

  /// What begins at `offset`.
  torch::Tensor leaf(std::int64_t offset, at::IntArrayRef extents) const {
    std::int64_t size = 1;
    for (const std::int64_t extent : extents) size *= extent;
    torch::Tensor leaf = weights_.slice(0, offset, offset + size).view(extents);
    leaf.set_requires_grad(true);
    leaf.mutable_grad() = gradients_.slice(0, offset, offset + size).view(extents);
    return leaf;
  }

 private:
  torch::Tensor weights_, gradients_;
};

}  // namespace rapport::retrieval
