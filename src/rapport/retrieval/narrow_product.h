// Products whose result is narrow: C[m × n] = A·B (+ C) with few columns n, the shape of everything
// a model of dimension 64 computes. A tile of C stays in registers while the rows of B go by, so
// neither A nor B is copied first, which costs a general product more than half as much as
// multiplying at such sizes (docs/benchmarks.md, "Training and quality").
#pragma once

#include <cstdint>

namespace rapport::retrieval {

/// Element (r, k) of A is a[r · row_stride + k · column_stride], so that A may be read transposed;
/// B and C are row-major. Fastest with n a multiple of 64, then of 16.
struct NarrowProduct {
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t row_stride = 0, column_stride = 1;  // of A
  std::int64_t stride_b = 0, stride_c = 0;
  bool add = false;  // to what is in C
};
void multiply_narrow(const NarrowProduct& product, const float* a, const float* b, float* c);

}  // namespace rapport::retrieval
