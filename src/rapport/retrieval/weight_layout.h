// Where each named matrix or vector lies in one flat array of weights: training, the file and
// inference share this one description.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rapport/base/safetensors.h"

namespace rapport::retrieval {

struct WeightPlace {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  // floats from the start
  std::int64_t size = 0;    // floats
};

struct WeightLayout {
  std::int64_t total = 0;  // floats
  std::vector<WeightPlace> places;

  /// Lays it behind what is there; returns its offset.
  std::int64_t add(std::string name, std::vector<std::int64_t> shape);
  /// The flat array of a model directory's tensors. Errors: those of read_weights.
  Result<std::vector<float>> read(const base::Safetensors& file) const;
  /// `weights` [total] outlive the writer.
  void save(std::span<const float> weights, base::SafetensorsWriter& writer) const;
};

}  // namespace rapport::retrieval
