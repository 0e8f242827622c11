#include "rapport/retrieval/training/sparse_product.h"

#include <algorithm>
#include <cassert>
#include <vector>

namespace rapport::retrieval {

Result<void> add_product(const SparseMatrix& a, const SparseMatrix& b, float scale,
                         TrainingThreads& threads, const WorkStep& step, std::span<float> result) {
  assert(a.rows() == b.rows());
  assert(result.size() == static_cast<std::size_t>(a.columns * b.columns));
  constexpr std::int64_t kRows = 32;  // of the result a task: small, as frequent items lie apart
  const SparseMatrix by_column = a.transposed();
  const auto add_rows = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
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
  };
  return threads.over_in_rounds(a.columns, kRows, step, add_rows);
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

Result<SparseMatrix> rows_side_by_side(
    std::int64_t rows, std::int64_t columns, TrainingThreads& threads, const WorkStep& step,
    const std::function<void(std::int64_t begin, std::int64_t end, SparseMatrix& part)>& append) {
  constexpr std::int64_t kRows = 256;  // a task
  std::vector<SparseMatrix> parts(static_cast<std::size_t>((rows + kRows - 1) / kRows));
  TRY_VOID(threads.over_in_rounds(rows, kRows, step, [&](std::int64_t begin, std::int64_t end) {
    append(begin, end, parts[static_cast<std::size_t>(begin / kRows)]);
  }));
  SparseMatrix whole{.columns = columns};
  for (SparseMatrix& part : parts) {
    whole.append(part);
    part = {};
  }
  return whole;
}

}  // namespace rapport::retrieval
