// Compiled once for each family of processors (CMakeLists.txt), as RAPPORT_TILES. It includes no
// code of others: an inline function compiled for a newer processor here could be the copy that the
// linker keeps for the whole program.
#include "rapport/retrieval/narrow_product.h"

namespace rapport::retrieval {
namespace {

#define RAPPORT_INLINE inline __attribute__((always_inline))

// Floats in a vector, and vectors side by side in a tile: six rows of it, the rows of B and one
// element of A fill the registers, 32 or 16.
#if defined(__AVX512F__)
constexpr int kLanes = 16, kVectors = 4;
#elif defined(__AVX__)
constexpr int kLanes = 8, kVectors = 2;
#elif defined(__aarch64__)
constexpr int kLanes = 4, kVectors = 4;
#else
constexpr int kLanes = 4, kVectors = 2;
#endif
constexpr int kRows = 6;

using Vector __attribute__((vector_size(4 * kLanes))) = float;
using Unaligned __attribute__((vector_size(4 * kLanes), aligned(4), may_alias)) = float;

struct Whole {
  static RAPPORT_INLINE void load(const float* from, Vector& to) {
    to = *reinterpret_cast<const Unaligned*>(from);
  }
  static RAPPORT_INLINE void store(const Vector& from, float* to) {
    *reinterpret_cast<Unaligned*>(to) = from;
  }
};

/// The last columns of C where its width is no multiple of the lanes.
struct Part {
  std::int64_t columns;

  RAPPORT_INLINE void load(const float* from, Vector& to) const {
    to = Vector{};
    for (std::int64_t i = 0; i < columns; ++i) to[i] = from[i];
  }
  RAPPORT_INLINE void store(const Vector& from, float* to) const {
    for (std::int64_t i = 0; i < columns; ++i) to[i] = from[i];
  }
};

template <int rows, int vectors, typename Columns>
RAPPORT_INLINE void tile(const NarrowProduct& p, const Columns& columns, const float* a,
                         const float* b, float* c) {
  Vector sums[rows][vectors];
  for (int r = 0; r < rows; ++r) {
    for (int v = 0; v < vectors; ++v) {
      if (p.add) {
        columns.load(c + r * p.stride_c + v * kLanes, sums[r][v]);
      } else {
        sums[r][v] = Vector{};
      }
    }
  }
  for (std::int64_t k = 0; k < p.k; ++k) {
    Vector row[vectors];
    for (int v = 0; v < vectors; ++v) Whole::load(b + k * p.stride_b + v * kLanes, row[v]);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const float factor = a[r * p.row_stride + k * p.column_stride];
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) sums[r][v] += factor * row[v];
    }
  }
  for (int r = 0; r < rows; ++r) {
    for (int v = 0; v < vectors; ++v) columns.store(sums[r][v], c + r * p.stride_c + v * kLanes);
  }
}

template <int vectors, typename Columns>
void strip(const NarrowProduct& p, const Columns& columns, const float* a, const float* b,
           float* c) {
  std::int64_t row = 0;
  for (; row + kRows <= p.m; row += kRows)
    tile<kRows, vectors>(p, columns, a + row * p.row_stride, b, c + row * p.stride_c);
  a += row * p.row_stride;
  c += row * p.stride_c;
  switch (p.m - row) {
    case 5: return tile<5, vectors>(p, columns, a, b, c);
    case 4: return tile<4, vectors>(p, columns, a, b, c);
    case 3: return tile<3, vectors>(p, columns, a, b, c);
    case 2: return tile<2, vectors>(p, columns, a, b, c);
    case 1: return tile<1, vectors>(p, columns, a, b, c);
    default: return;
  }
}

/// The last `count` columns: those of B are copied, zeros behind them, so that whole vectors can be
/// read of it.
void last_strip(const NarrowProduct& product, std::int64_t count, const float* a, const float* b,
                float* c) {
  constexpr std::int64_t kDepth = 256;
  float block[kDepth * kLanes];
  NarrowProduct part = product;
  part.stride_b = kLanes;
  std::int64_t done = 0;
  do {  // at least once: without any rows of B the result is zero
    part.k = product.k - done < kDepth ? product.k - done : kDepth;
    for (std::int64_t k = 0; k < part.k; ++k) {
      for (std::int64_t i = 0; i < kLanes; ++i)
        block[k * kLanes + i] = i < count ? b[(done + k) * product.stride_b + i] : 0;
    }
    strip<1>(part, Part{count}, a + done * product.column_stride, block, c);
    part.add = true;
    done += part.k;
  } while (done < product.k);
}

}  // namespace

void RAPPORT_TILES(const NarrowProduct& product, const float* a, const float* b, float* c);

void RAPPORT_TILES(const NarrowProduct& product, const float* a, const float* b, float* c) {
  std::int64_t column = 0;
  for (; column + kVectors * kLanes <= product.n; column += kVectors * kLanes)
    strip<kVectors>(product, Whole{}, a, b + column, c + column);
  for (; column + kLanes <= product.n; column += kLanes)
    strip<1>(product, Whole{}, a, b + column, c + column);
  if (column < product.n) last_strip(product, product.n - column, a, b + column, c + column);
}

}  // namespace rapport::retrieval
