#include "rapport/retrieval/sparse_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "rapport/retrieval/retriever.h"

namespace rapport::retrieval {
namespace {

template <typename T>
std::span<const T> part(const std::vector<T>& all, std::int64_t begin, std::int64_t end) {
  return std::span(all).subspan(static_cast<std::size_t>(begin),
                                static_cast<std::size_t>(end - begin));
}

}  // namespace

std::span<const std::int32_t> SparseMatrix::row_indices(std::int64_t row) const {
  const auto i = static_cast<std::size_t>(row);
  return part(indices, offsets[i], offsets[i + 1]);
}

std::span<const float> SparseMatrix::row_values(std::int64_t row) const {
  const auto i = static_cast<std::size_t>(row);
  return part(values, offsets[i], offsets[i + 1]);
}

void SparseMatrix::append(const SparseMatrix& other) {
  const std::int64_t before = offsets.back();
  indices.insert(indices.end(), other.indices.begin(), other.indices.end());
  values.insert(values.end(), other.values.begin(), other.values.end());
  for (std::size_t i = 1; i < other.offsets.size(); ++i)
    offsets.push_back(before + other.offsets[i]);
}

SparseMatrix SparseMatrix::transposed() const {
  SparseMatrix result{.columns = rows()};
  result.offsets.assign(static_cast<std::size_t>(columns) + 1, 0);
  for (const std::int32_t column : indices) ++result.offsets[static_cast<std::size_t>(column) + 1];
  for (std::size_t i = 1; i < result.offsets.size(); ++i)
    result.offsets[i] += result.offsets[i - 1];
  result.indices.resize(indices.size());
  result.values.resize(values.size());
  std::vector<std::int64_t> next(result.offsets.begin(), result.offsets.end() - 1);
  for (std::int64_t row = 0; row < rows(); ++row) {
    const auto columns_of_row = row_indices(row);
    const auto values_of_row = row_values(row);
    for (std::size_t i = 0; i < columns_of_row.size(); ++i) {
      const auto place =
          static_cast<std::size_t>(next[static_cast<std::size_t>(columns_of_row[i])]++);
      result.indices[place] = static_cast<std::int32_t>(row);
      result.values[place] = values_of_row[i];
    }
  }
  return result;
}

void SparseMatrix::save(base::SafetensorsWriter& writer, const std::string& name) const {
  std::vector<std::int32_t> sizes(static_cast<std::size_t>(rows()));
  for (std::size_t i = 0; i < sizes.size(); ++i)
    sizes[i] = static_cast<std::int32_t>(offsets[i + 1] - offsets[i]);
  const auto entries = static_cast<std::int64_t>(indices.size());
  writer.add(name + ".row_sizes", {rows()}, sizes);
  writer.add(name + ".columns", {entries}, indices);
  writer.add(name + ".values", {entries}, values);
}

Result<SparseMatrix> SparseMatrix::read(const base::Safetensors& file, const std::string& name,
                                        std::int64_t rows, std::int64_t columns) {
  SparseMatrix matrix{.columns = columns};
  TRY(const std::vector<std::int32_t> sizes, file.read_integers(name + ".row_sizes", {rows}));
  for (const std::int32_t size : sizes) {
    if (size < 0 || size > columns)
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{}.row_sizes: {} entries in a row of {}", name, size, columns));
    matrix.offsets.push_back(matrix.offsets.back() + size);
  }
  TRY(matrix.indices, file.read_integers(name + ".columns", {matrix.offsets.back()}));
  TRY(matrix.values, read_weights(file, name + ".values", {matrix.offsets.back()}));
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto indices = matrix.row_indices(row);
    if (indices.empty()) continue;
    if (indices.front() < 0 || indices.back() >= columns ||
        std::ranges::adjacent_find(indices, std::greater_equal<>()) != indices.end())
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{}.columns: those of row {} do not rise from 0 to below {}", name,
                              row, columns));
  }
  return matrix;
}

void append_largest(std::span<const float> row, std::int64_t most, SparseMatrix& matrix) {
  float least = 0;  // the size of the smallest entry that is kept
  if (most < static_cast<std::int64_t>(row.size())) {
    std::vector<float> sizes(row.size());
    std::ranges::transform(row, sizes.begin(), [](float value) { return std::abs(value); });
    const auto last = sizes.begin() + (most - 1);
    std::ranges::nth_element(sizes, last, std::greater<>());
    least = *last;
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] == 0 || std::abs(row[i]) < least) continue;
    matrix.indices.push_back(static_cast<std::int32_t>(i));
    matrix.values.push_back(row[i]);
  }
  matrix.end_row();
}

}  // namespace rapport::retrieval
