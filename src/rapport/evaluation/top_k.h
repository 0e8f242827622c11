// The best few of many scores, without sorting the rest.
//
//   std::vector<data::ItemIndex> best;
//   top_k(scores, 50, best);                 // best.front() is the item with the highest score
//   … scores[best[0]] … scores[best[1]] …
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/data/indexes.h"

namespace rapport::evaluation {

/// Fills `best` with the numbers of the `k` highest of `scores` [items], best first; among equals
/// the lower number first. A score that is not a number or is -infinity is never chosen (mask with
/// -infinity), so `best` may be shorter than `k`. What `best` held before is gone; its memory is
/// used again. Reads the scores once and sorts some k of them: 12,101 items take a few
/// microseconds. Precondition: k ≥ 0.
void top_k(std::span<const float> scores, std::int64_t k, std::vector<data::ItemIndex>& best);

}  // namespace rapport::evaluation
