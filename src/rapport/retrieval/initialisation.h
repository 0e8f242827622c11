// How weights begin.
#pragma once

#include <cstdint>
#include <span>

#include "rapport/base/random.h"

namespace rapport::retrieval {

/// Normal numbers by Box and Muller, the same on every machine.
void fill_normal(std::span<float> values, double deviation, base::Random& random);
/// Within ± `bound`.
void fill_uniform(std::span<float> values, double bound, base::Random& random);
/// Of a matrix [in × out]. Source: Glorot & Bengio 2010.
void fill_xavier_normal(std::span<float> values, std::int64_t in, std::int64_t out,
                        base::Random& random);

}  // namespace rapport::retrieval
