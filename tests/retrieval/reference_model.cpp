#include "reference_model.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rapport/base/files.h"

namespace rapport::retrieval {
namespace {

void flatten(const Json& values, std::vector<float>& into) {
  if (values.is_array()) {
    for (const Json& value : values) flatten(value, into);
  } else {
    into.push_back(values.get<float>());
  }
}

std::vector<float> flat(const Json& values) {
  std::vector<float> floats;
  flatten(values, floats);
  return floats;
}

/// Key and value stand apart in the reference and side by side, row by row, here.
std::vector<float> side_by_side(const Json& parameters, const std::string& block,
                                const std::string& kind, std::int64_t dimension) {
  std::vector<std::vector<float>> parts;
  for (const char* part : {"key", "value"})
    parts.push_back(flat(parameters.at(block + part + kind)));
  std::vector<float> joined;
  const auto d = static_cast<std::ptrdiff_t>(dimension);
  for (std::ptrdiff_t row = 0; row < static_cast<std::ptrdiff_t>(parts[0].size()) / d; ++row) {
    for (const auto& part : parts)
      joined.insert(joined.end(), part.begin() + row * d, part.begin() + (row + 1) * d);
  }
  return joined;
}

std::vector<float> laid_out(const Json& parameters, const SasrecShape& shape) {
  std::vector<float> weights;
  for (const WeightPlace& place : sasrec_weights(shape).places) {
    const std::string merged = "key_value";
    const auto at = place.name.find(merged);
    const std::vector<float> values =
        at == std::string::npos
            ? flat(parameters.at(place.name))
            : side_by_side(parameters, place.name.substr(0, at),
                           place.name.substr(at + merged.size()), shape.dimension);
    EXPECT_EQ(values.size(), static_cast<std::size_t>(place.size)) << place.name;
    weights.insert(weights.end(), values.begin(), values.end());
  }
  return weights;
}

}  // namespace

std::vector<ReferenceModel> reference_models() {
  const auto text =
      base::read_file(std::filesystem::path(RAPPORT_TEST_DATA) / "sasrec_reference.json");
  EXPECT_TRUE(text) << text.error().message;
  const Json document = Json::parse(*text);
  std::vector<ReferenceModel> models;
  for (const Json& entry : document["cases"]) {
    ReferenceModel model;
    model.name = entry["name"];
    model.shape = SasrecShape::from_json(entry["config"]).value();
    model.weights = laid_out(entry["parameters"], model.shape);
    model.gradients = laid_out(entry["gradients"], model.shape);
    model.loss = entry["loss"];
    for (const Json& sequence : entry["sequences"])
      model.sequences.push_back({sequence["inputs"].get<std::vector<data::ItemIndex>>(),
                                 sequence["targets"].get<std::vector<std::int32_t>>(),
                                 flat(sequence["hidden"]), flat(sequence["last_logits"])});
    models.push_back(std::move(model));
  }
  return models;
}

double relative_error(std::span<const float> actual, std::span<const float> expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double difference = 0, largest = 1e-30;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference = std::max(difference, std::fabs(static_cast<double>(actual[i]) - expected[i]));
    largest = std::max(largest, std::fabs(static_cast<double>(expected[i])));
    if (std::isnan(actual[i])) return std::numeric_limits<double>::infinity();
  }
  return difference / largest;
}

}  // namespace rapport::retrieval
