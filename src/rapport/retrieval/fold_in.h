// Users made of what they took. A factor model is trained with factors for each user of its data;
// what it serves has none, but a vector for each item that says what having taken it tells of
// somebody: the mean of these over a history is the user. So everybody gets an answer, also who
// came after the training, and what somebody took since counts.
//
// The vectors are the items' own factors times the matrix, with an offset, by which their means
// come closest to the factors that the training found for its users: a ridge regression.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/data/indexes.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::retrieval {

/// user [width] += the mean over `history` of rows of `taken` [items × width]; nothing of an empty
/// one.
void add_mean_of(std::span<const data::ItemIndex> history, const float* taken, std::int64_t width,
                 float* user);

struct FoldIn {
  std::int64_t items = 0;
  std::int64_t item_width = 0;          // of items' factors
  std::int64_t user_width = 0;          // of users' factors
  const float* item_factors = nullptr;  // [items × item_width]
  const float* user_factors = nullptr;  // [users × user_width]
};
/// taken [items × user_width], written. histories [users]: what each was trained on; empty ones are
/// left out, and without any other the result is zero. The same for any number of threads.
void fit_fold_in(const FoldIn& fold_in, std::span<const std::span<const data::ItemIndex>> histories,
                 TrainingThreads& threads, std::span<float> taken);

}  // namespace rapport::retrieval
