#include "rapport/retrieval/weight_layout.h"

#include "rapport/retrieval/retriever.h"

namespace rapport::retrieval {

std::int64_t WeightLayout::add(std::string name, std::vector<std::int64_t> shape) {
  std::int64_t size = 1;
  for (const std::int64_t extent : shape) size *= extent;
  places.push_back({std::move(name), std::move(shape), total, size});
  total += size;
  return places.back().offset;
}

Result<std::vector<float>> WeightLayout::read(const base::Safetensors& file) const {
  // Not reserved: the sizes are a model directory's word, until the file has shown such tensors.
  std::vector<float> weights;
  for (const WeightPlace& place : places) {
    TRY(const std::vector<float> values, read_weights(file, place.name, place.shape));
    weights.insert(weights.end(), values.begin(), values.end());
  }
  return weights;
}

void WeightLayout::save(std::span<const float> weights, base::SafetensorsWriter& writer) const {
  for (const WeightPlace& place : places)
    writer.add(place.name, place.shape,
               weights.subspan(static_cast<std::size_t>(place.offset),
                               static_cast<std::size_t>(place.size)));
}

}  // namespace rapport::retrieval
