#include "rapport/retrieval/training/sparse_product.h"

#include <algorithm>
#include <cassert>

#include "rapport/retrieval/training/parallel.h"

namespace rapport::retrieval {

void add_product(const SparseMatrix& a, const SparseMatrix& b, float scale, std::int64_t threads,
                 std::span<float> result) {
  assert(a.rows() == b.rows());
  assert(result.size() == static_cast<std::size_t>(a.columns * b.columns));
  constexpr std::int64_t kRows = 32;  // of the result a task: small, as frequent items lie apart
  const SparseMatrix by_column = a.transposed();
  in_parallel(threads, (a.columns + kRows - 1) / kRows, [&](std::int64_t task) {
    for (std::int64_t i = task * kRows; i < std::min(a.columns, (task + 1) * kRows); ++i) {
      float* const sums = result.data() + i * b.columns;
      const auto rows = by_column.row_indices(i);
      const auto factors = by_column.row_values(i);
      for (std::size_t k = 0; k < rows.size(); ++k) {
        const float factor = scale * factors[k];
        const auto columns = b.row_indices(rows[k]);
        const auto values = b.row_values(rows[k]);
        for (std::size_t j = 0; j < columns.size(); ++j) sums[columns[j]] += factor * values[j];
      }
    }
  });
}

}  // namespace rapport::retrieval
