// What a training makes small: the loss of examples, by numbers that may change.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rapport/base/json.h"

namespace rapport::tuning {

struct Parameter {
  std::string name;
  torch::Tensor value;  // f32 [rows × columns]; wants a gradient
};

class Objective {
 public:
  virtual ~Objective() = default;

  virtual std::size_t examples() const = 0;
  /// What is read of an example, and how much of it is an answer, whose loss counts.
  virtual std::int64_t tokens(std::size_t example) const = 0;
  virtual std::int64_t answers(std::size_t example) const = 0;
  /// Summed over the answers of `part`; what is left to chance follows from `seed`. Called from
  /// several threads at once.
  virtual torch::Tensor loss(std::span<const std::size_t> part, std::uint64_t seed) = 0;
  /// All that the result depends on beside the seed and the course of the training.
  virtual Json fingerprint() const = 0;
  /// The same ones each time.
  virtual std::span<const Parameter> parameters() const = 0;
};

}  // namespace rapport::tuning
