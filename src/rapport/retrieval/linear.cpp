#include "rapport/retrieval/linear.h"

#include <algorithm>

#include "rapport/retrieval/narrow_product.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {

void linear_forward(const LinearShape& shape, const float* x, const float* weight,
                    const float* bias, float* out) {
  for (std::int64_t row = 0; row < shape.rows; ++row)
    std::copy_n(bias, shape.out, out + row * shape.out);
  multiply_narrow({.m = shape.rows,
                   .n = shape.out,
                   .k = shape.in,
                   .row_stride = shape.in,
                   .stride_b = shape.out,
                   .stride_c = shape.out,
                   .add = true},
                  x, weight, out);
}

void linear_backward(const LinearShape& shape, const float* x, const float* weight,
                     const float* out_gradient, const LinearGradients& gradients) {
  const auto [rows, in, out] = shape;
  const std::vector<float> transposed = transposed_matrix(weight, in, out);
  for (std::int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    const std::int64_t count = std::min(kRowsAtOnce, rows - begin);
    const float* const gradient = out_gradient + begin * out;
    multiply_narrow(
        {.m = count, .n = in, .k = out, .row_stride = out, .stride_b = in, .stride_c = in},
        gradient, transposed.data(), gradients.x + begin * in);
    multiply_narrow({.m = in,
                     .n = out,
                     .k = count,
                     .row_stride = 1,
                     .column_stride = in,
                     .stride_b = out,
                     .stride_c = out,
                     .add = true},
                    x + begin * in, gradient, gradients.weight);
  }
  if (gradients.bias != nullptr) add_column_sums(out_gradient, rows, out, out, gradients.bias);
}

std::vector<float> transposed_matrix(const float* matrix, std::int64_t rows, std::int64_t columns) {
  std::vector<float> transposed(static_cast<std::size_t>(rows * columns));
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column)
      transposed[static_cast<std::size_t>(column * rows + row)] = matrix[row * columns + column];
  }
  return transposed;
}

RAPPORT_VECTORISED void add_column_sums(const float* x, std::int64_t rows, std::int64_t width,
                                        std::int64_t stride, float* sums) {
  for (std::int64_t row = 0; row < rows; ++row, x += stride) {
    for (std::int64_t i = 0; i < width; ++i) sums[i] += x[i];
  }
}

}  // namespace rapport::retrieval
