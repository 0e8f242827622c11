#include "rapport/retrieval/sparse_dense_product.h"

#include <cstring>

#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

/// Sixteen floats: one register of the newest processors, several of the others.
constexpr std::int64_t kLanes = 16;
using Vector __attribute__((vector_size(4 * kLanes), may_alias, aligned(4))) = float;

struct Row {
  const std::int32_t* indices;
  const float* values;
  std::int64_t count;
};

/// Columns [column, column + vectors · kLanes) of a row, whose sums stay in registers.
template <int vectors>
RAPPORT_INLINE void whole(const SparseDenseProduct& p, const Row& row, const float* base,
                          std::int64_t column, float* out) {
  Vector sums[vectors] = {};
  if (base != nullptr) std::memcpy(&sums, base + column, sizeof(sums));
  for (std::int64_t k = 0; k < row.count; ++k) {
    const auto* const x = reinterpret_cast<const Vector*>(p.x + row.indices[k] * p.width + column);
    const float value = row.values[k];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sums[v] += value * x[v];
  }
  std::memcpy(out + column, &sums, sizeof(sums));
}

RAPPORT_INLINE void multiply_row(const SparseDenseProduct& p, const Row& row, const float* base,
                                 float* out) {
  std::int64_t column = 0;
  for (; column + 4 * kLanes <= p.width; column += 4 * kLanes) whole<4>(p, row, base, column, out);
  for (; column + kLanes <= p.width; column += kLanes) whole<1>(p, row, base, column, out);
  for (; column < p.width; ++column) {
    float sum = base != nullptr ? base[column] : 0;
    for (std::int64_t k = 0; k < row.count; ++k)
      sum += row.values[k] * p.x[row.indices[k] * p.width + column];
    out[column] = sum;
  }
}

}  // namespace

RAPPORT_VECTORISED void multiply_rows(const SparseDenseProduct& product, std::int64_t begin,
                                      std::int64_t end) {
  const SparseMatrix& sparse = product.sparse;
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t first = sparse.offsets[static_cast<std::size_t>(i)];
    const Row row{.indices = sparse.indices.data() + first,
                  .values = sparse.values.data() + first,
                  .count = sparse.offsets[static_cast<std::size_t>(i) + 1] - first};
    const float* const base = product.base != nullptr ? product.base + i * product.width : nullptr;
    multiply_row(product, row, base, product.out + i * product.width);
  }
}

}  // namespace rapport::retrieval
