// The closed forms as the papers write them: dense, in double precision, without a thought of
// speed.
#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace rapport::retrieval {

using Matrix = std::vector<std::vector<double>>;

inline Matrix zeros(std::size_t rows, std::size_t columns) {
  return Matrix(rows, std::vector<double>(columns));
}

inline Matrix transposed(const Matrix& a) {
  Matrix result = zeros(a[0].size(), a.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a[0].size(); ++j) result[j][i] = a[i][j];
  return result;
}

inline Matrix product(const Matrix& a, const Matrix& b) {
  Matrix result = zeros(a.size(), b[0].size());
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t k = 0; k < b.size(); ++k)
      for (std::size_t j = 0; j < b[0].size(); ++j) result[i][j] += a[i][k] * b[k][j];
  return result;
}

/// Gauss and Jordan with row exchanges.
inline Matrix inverse(Matrix a) {
  const std::size_t n = a.size();
  Matrix result = zeros(n, n);
  for (std::size_t i = 0; i < n; ++i) result[i][i] = 1;
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k; i < n; ++i)
      if (std::abs(a[i][k]) > std::abs(a[pivot][k])) pivot = i;
    std::swap(a[k], a[pivot]);
    std::swap(result[k], result[pivot]);
    const double divisor = a[k][k];
    for (std::size_t j = 0; j < n; ++j) {
      a[k][j] /= divisor;
      result[k][j] /= divisor;
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = a[i][k];
      for (std::size_t j = 0; j < n; ++j) {
        a[i][j] -= factor * a[k][j];
        result[i][j] -= factor * result[k][j];
      }
    }
  }
  return result;
}

}  // namespace rapport::retrieval
