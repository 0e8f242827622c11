#include "rapport/retrieval/sparse_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "rapport/retrieval/retriever.h"

namespace rapport::retrieval {
namespace {

template <typename T>
std::span<const T> part(const std::vector<T>& all, std::int64_t begin, std::int64_t end) {
  return std::span(all).subspan(static_cast<std::size_t>(begin),
                                static_cast<std::size_t>(end - begin));
}

/// No two columns have the same (the finaliser of MurmurHash3, which is invertible; of 0 it would
/// be 0).
std::uint32_t hash(std::int32_t column) {
  auto h = static_cast<std::uint32_t>(column) ^ 0x9e3779b9u;
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

/// The `n`-th smallest hash of the columns of whose entries the size is `size`.
std::uint32_t nth_hash(std::span<const float> row, std::span<const std::int32_t> columns,
                       float size, std::ptrdiff_t n) {
  std::vector<std::uint32_t> hashes;
  for (const std::int32_t column : columns) {
    if (std::abs(row[static_cast<std::size_t>(column)]) == size) hashes.push_back(hash(column));
  }
  std::ranges::nth_element(hashes, hashes.begin() + (n - 1));
  return hashes[static_cast<std::size_t>(n - 1)];
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
  std::vector<std::int32_t> columns(row.size());
  std::iota(columns.begin(), columns.end(), 0);
  append_largest(row, columns, most, matrix);
}

void append_largest(std::span<const float> row, std::span<const std::int32_t> columns,
                    std::int64_t most, SparseMatrix& matrix) {
  const auto value_of = [&](std::int32_t column) { return row[static_cast<std::size_t>(column)]; };
  float least = 0;  // the size of the smallest entry that is kept
  std::uint32_t last = std::numeric_limits<std::uint32_t>::max();  // of those of that size, by hash
  if (most < static_cast<std::int64_t>(columns.size())) {
    std::vector<float> sizes(columns.size());
    std::ranges::transform(columns, sizes.begin(),
                           [&](std::int32_t column) { return std::abs(value_of(column)); });
    const auto bar = sizes.begin() + (most - 1);
    std::ranges::nth_element(sizes, bar, std::greater<>());
    least = *bar;
    // Those in front of `bar` are no smaller, so all of its size that must be kept are there.
    const auto room = std::count(sizes.begin(), bar + 1, least);
    if (least > 0 && std::find(bar + 1, sizes.end(), least) != sizes.end())
      last = nth_hash(row, columns, least, room);
  }
  const std::size_t begin = matrix.indices.size();
  for (const std::int32_t column : columns) {
    const float size = std::abs(value_of(column));
    if (size > least || (size == least && size > 0 && hash(column) <= last))
      matrix.indices.push_back(column);
  }
  std::sort(matrix.indices.begin() + static_cast<std::ptrdiff_t>(begin), matrix.indices.end());
  for (std::size_t i = begin; i < matrix.indices.size(); ++i)
    matrix.values.push_back(value_of(matrix.indices[i]));
  matrix.end_row();
}

}  // namespace rapport::retrieval
