// Products of sparse matrices into a dense one: what a closed form is made of.
#pragma once

#include <cstdint>
#include <span>

#include "rapport/retrieval/sparse_matrix.h"

namespace rapport::retrieval {

/// result [a.columns × b.columns] += scale · aᵀ·b; a and b have the same rows. Each row of the
/// result is summed by one thread in the order of a's rows, so that the threads do not change it.
/// Needs the memory of `a` once more. Time: for each row, the product of its entries in both.
void add_product(const SparseMatrix& a, const SparseMatrix& b, float scale, std::int64_t threads,
                 std::span<float> result);

}  // namespace rapport::retrieval
