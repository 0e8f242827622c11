#include "rapport/retrieval/sparse_dense_product.h"

#include <cstring>

#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

/// Eight floats: one register of most processors. gcc 12 keeps vectors of several registers in
/// memory.
constexpr std::int64_t kLanes = 8;
using Vector __attribute__((vector_size(4 * kLanes))) = float;

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
    const float* const x = p.x + row.indices[k] * p.width + column;
    const float value = row.values[k];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      // Copied, not read through a pointer to unaligned vectors: where a Vector takes several
      // registers, gcc 12 forgets that it is unaligned, and the processor faults.
      Vector entries;
      std::memcpy(&entries, x + v * kLanes, sizeof(entries));
      sums[v] += value * entries;
    }
  }
  std::memcpy(out + column, &sums, sizeof(sums));
}

RAPPORT_INLINE void multiply_row(const SparseDenseProduct& p, const Row& row, const float* base,
                                 float* out) {
  std::int64_t column = 0;
  for (; column + 8 * kLanes <= p.width; column += 8 * kLanes) whole<8>(p, row, base, column, out);
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
