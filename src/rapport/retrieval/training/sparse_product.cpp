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

void add_sparse_product(const SparseMatrix& a, std::int64_t begin, std::int64_t end, const float* b,
                        std::int64_t width, float* out) {
  for (std::int64_t row = begin; row < end; ++row) {
    const auto columns = a.row_indices(row);
    const auto values = a.row_values(row);
    float* const sums = out + row * width;
    for (std::size_t k = 0; k < columns.size(); ++k) {
      const float* const from = b + columns[k] * width;
      const float value = values[k];
      for (std::int64_t i = 0; i < width; ++i) sums[i] += value * from[i];
    }
  }
}

SparseMatrix largest_of_rows(
    std::int64_t rows, std::int64_t columns, std::int64_t most, std::int64_t threads,
    const std::function<std::span<const float>(std::int64_t row, std::vector<float>& scratch)>&
        row_of) {
  constexpr std::int64_t kRows = 256;  // a task
  std::vector<SparseMatrix> parts(static_cast<std::size_t>((rows + kRows - 1) / kRows));
  in_parallel(threads, static_cast<std::int64_t>(parts.size()), [&](std::int64_t task) {
    std::vector<float> scratch(static_cast<std::size_t>(columns));
    for (std::int64_t i = task * kRows; i < std::min(rows, (task + 1) * kRows); ++i)
      append_largest(row_of(i, scratch), most, parts[static_cast<std::size_t>(task)]);
  });
  SparseMatrix kept{.columns = columns};
  for (SparseMatrix& part : parts) {
    kept.append(part);
    part = {};
  }
  return kept;
}

}  // namespace rapport::retrieval
