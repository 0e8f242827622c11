// Scores of different models made comparable: in standard deviations z from the mean, user by user,
// and these damped, sign(z) · (√(1 + |z|) − 1): the best items of a model that says nothing of most
// (a sparse one) lie tens of deviations out, and undamped no weight would do for them and the rest.
//
//   const auto scale = standard_scale(scores, seen);
//   if (scale) add_damped(scores, *scale, 0.4f, sum);          // sum += 0.4 · damped z
#pragma once

#include <optional>
#include <span>

#include "rapport/data/indexes.h"

namespace rapport::retrieval {

struct StandardScale {
  float mean = 0;
  float inverse = 0;  // 1 / standard deviation
};

/// Of one user's scores [items] over the items that are not in `seen` (each once; within the
/// items). nullopt where the scores tell no item from another: all equal as far as floats can tell,
/// one of them infinite or no number, or nothing left that was not seen. `scores` are written to on
/// the way, and are as they were at the end.
std::optional<StandardScale> standard_scale(std::span<float> scores,
                                            std::span<const data::ItemIndex> seen);

/// sum[i] += weight · the damped (scores[i] − mean) / deviation. In the same order as the scores.
void add_damped(std::span<const float> scores, const StandardScale& scale, float weight,
                std::span<float> sum);

}  // namespace rapport::retrieval
