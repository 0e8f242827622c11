// A linear layer over many rows and its gradient: x [rows × in] · weight [in × out] + bias [out].
#pragma once

#include <cstdint>
#include <vector>

namespace rapport::retrieval {

/// Rows whose part of a weight's gradient is added at a time: they then stay in the first caches
/// for all tiles of it.
inline constexpr std::int64_t kRowsAtOnce = 128;

struct LinearShape {
  std::int64_t rows = 0, in = 0, out = 0;
};

/// out [rows × shape.out], written.
void linear_forward(const LinearShape& shape, const float* x, const float* weight,
                    const float* bias, float* out);

struct LinearGradients {
  float* weight = nullptr;  // [in × out], added to
  float* bias = nullptr;    // [out], added to; null: not wanted
  float* x = nullptr;       // [rows × in], written
};
void linear_backward(const LinearShape& shape, const float* x, const float* weight,
                     const float* out_gradient, const LinearGradients& gradients);

/// [columns × rows] of `matrix` [rows × columns].
std::vector<float> transposed_matrix(const float* matrix, std::int64_t rows, std::int64_t columns);
/// sums[width] += the columns of x [rows × width], `stride` floats from row to row.
void add_column_sums(const float* x, std::int64_t rows, std::int64_t width, std::int64_t stride,
                     float* sums);

}  // namespace rapport::retrieval
