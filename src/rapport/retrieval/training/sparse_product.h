// Products of sparse matrices into dense ones, and dense rows made sparse again: what a closed form
// and the kernel of items' text are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "rapport/retrieval/sparse_matrix.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::retrieval {

/// result [a.columns × b.columns] += scale · aᵀ·b; a and b have the same rows. Each row of the
/// result is summed by one thread in the order of a's rows, so that the threads do not change it.
/// Needs the memory of `a` once more. Time: for each row, the product of its entries in both.
/// Errors: those of `step`, after which the result is a part of the sum.
Result<void> add_product(const SparseMatrix& a, const SparseMatrix& b, float scale,
                         TrainingThreads& threads, const WorkStep& step, std::span<float> result);

/// Rows [begin, end) of out [a.rows × width] += a · b, b [a.columns × width].
void add_sparse_product(const SparseMatrix& a, std::int64_t begin, std::int64_t end, const float* b,
                        std::int64_t width, float* out);

/// A matrix of which `append(begin, end, part)` appends rows [begin, end) to `part`, on several
/// threads at once. Errors: those of `step`.
Result<SparseMatrix> rows_side_by_side(
    std::int64_t rows, std::int64_t columns, TrainingThreads& threads, const WorkStep& step,
    const std::function<void(std::int64_t begin, std::int64_t end, SparseMatrix& part)>& append);

}  // namespace rapport::retrieval
