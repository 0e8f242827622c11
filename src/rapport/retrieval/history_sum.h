// The sum of the vectors of all that a history holds, over the square root of their count: a user's
// long-term taste, for those too of whom nothing was learnt. As with FISM (Kabbur et al. 2013) with
// α = ½, the vector of a long history is longer than that of a short one, for it says more.
//
//   every_history_sum(batch, embedding, d, sums, d);     // sums [positions × d]
#pragma once

#include <cstdint>

#include "rapport/retrieval/sequence_model.h"

namespace rapport::retrieval {

/// sums: for each position, over its sequence up to it, `width` floats every `stride`; written.
void every_history_sum(const PackedSequences& batch, const float* embedding, std::int64_t width,
                       float* sums, std::int64_t stride);
/// sums: for each sequence, over all its items; zeros where it is empty.
void whole_history_sum(const PackedSequences& batch, const float* embedding, std::int64_t width,
                       float* sums, std::int64_t stride);
/// embedding_gradient [items × width] += what every_history_sum passes back; `gradient` is laid
/// out as its sums.
void every_history_sum_backward(const PackedSequences& batch, const float* gradient,
                                std::int64_t width, std::int64_t stride, float* embedding_gradient);

}  // namespace rapport::retrieval
