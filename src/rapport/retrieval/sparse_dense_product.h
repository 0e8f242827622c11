// A sparse matrix times a dense one: what a graph makes of signals on its nodes, and how rows that
// many examples share are summed without two threads on one row.
#pragma once

#include <cstdint>

#include "rapport/retrieval/sparse_matrix.h"

namespace rapport::retrieval {

/// Rows [begin, end) of out [rows × width] = base + sparse · x, with x [columns × width] and base
/// [rows × width]; null adds nothing. Each is summed in the order of its entries. `out` may be
/// `base`. Fastest with a width that is a multiple of 64, then of 8.
struct SparseDenseProduct {
  const SparseMatrix& sparse;
  std::int64_t width = 0;
  const float* x = nullptr;
  const float* base = nullptr;
  float* out = nullptr;
};
void multiply_rows(const SparseDenseProduct& product, std::int64_t begin, std::int64_t end);

}  // namespace rapport::retrieval
