// Products of sparse matrices into dense ones, and dense rows made sparse again: what a closed form
// and the kernel of items' text are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "rapport/retrieval/sparse_matrix.h"

namespace rapport::retrieval {

/// result [a.columns × b.columns] += scale · aᵀ·b; a and b have the same rows. Each row of the
/// result is summed by one thread in the order of a's rows, so that the threads do not change it.
/// Needs the memory of `a` once more. Time: for each row, the product of its entries in both.
void add_product(const SparseMatrix& a, const SparseMatrix& b, float scale, std::int64_t threads,
                 std::span<float> result);

/// Rows [begin, end) of out [a.rows × width] += a · b, b [a.columns × width].
void add_sparse_product(const SparseMatrix& a, std::int64_t begin, std::int64_t end, const float* b,
                        std::int64_t width, float* out);

/// append_largest of each row of a dense [rows × columns], on `threads` threads. `row_of` gives a
/// row, of its own memory or of `scratch` [columns], in which it finds what it left there.
SparseMatrix largest_of_rows(
    std::int64_t rows, std::int64_t columns, std::int64_t most, std::int64_t threads,
    const std::function<std::span<const float>(std::int64_t row, std::vector<float>& scratch)>&
        row_of);

}  // namespace rapport::retrieval
