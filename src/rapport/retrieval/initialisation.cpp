#include "rapport/retrieval/initialisation.h"

#include <cmath>
#include <numbers>

namespace rapport::retrieval {

void fill_normal(std::span<float> values, double deviation, base::Random& random) {
  for (float& value : values) {
    const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
    value =
        static_cast<float>(deviation * radius * std::cos(2 * std::numbers::pi * random.uniform()));
  }
}

void fill_uniform(std::span<float> values, double bound, base::Random& random) {
  for (float& value : values) value = static_cast<float>(bound * (2 * random.uniform() - 1));
}

void fill_xavier_normal(std::span<float> values, std::int64_t in, std::int64_t out,
                        base::Random& random) {
  fill_normal(values, std::sqrt(2.0 / static_cast<double>(in + out)), random);
}

}  // namespace rapport::retrieval
