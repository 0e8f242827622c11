#include "rapport/retrieval/sparse_dense_product.h"

#include <gtest/gtest.h>

#include <span>

#include "rapport/base/random.h"

namespace rapport::retrieval {
namespace {

std::vector<float> drawn(std::int64_t count, std::uint64_t seed) {
  base::SplitMix64 random(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random.next() >> 40) * 0x1p-24f - 0.5f;
  return values;
}

SparseMatrix drawn_matrix(std::int64_t rows, std::int64_t columns) {
  SparseMatrix matrix{.columns = columns};
  base::SplitMix64 random(3);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < row % 5; ++i) {  // a column may come twice, a row may be empty
      matrix.indices.push_back(static_cast<std::int32_t>(base::below(
          static_cast<std::uint32_t>(random.next()), static_cast<std::size_t>(columns))));
      matrix.values.push_back(static_cast<float>(i) - 1.5f);
    }
    matrix.end_row();
  }
  return matrix;
}

TEST(SparseDenseProduct, IsThePlainSumOfEachWidth) {
  const SparseMatrix sparse = drawn_matrix(13, 9);
  for (const std::int64_t width : {1, 7, 8, 15, 16, 17, 64, 100, 128}) {
    // Not where memory begins: vectors must not be taken to be aligned.
    const std::vector<float> drawn_x = drawn(9 * width + 1, 1), base = drawn(13 * width, 2);
    const std::span<const float> x = std::span(drawn_x).subspan(1);
    for (const bool with_base : {false, true}) {
      std::vector<float> out(base.size(), 7);
      SparseDenseProduct product{
          .sparse = sparse, .width = width, .x = x.data(), .out = out.data()};
      if (with_base) product.base = base.data();
      multiply_rows(product, 0, 13);
      for (std::int64_t row = 0; row < 13; ++row) {
        for (std::int64_t column = 0; column < width; ++column) {
          const auto place = static_cast<std::size_t>(row * width + column);
          double sum = with_base ? static_cast<double>(base[place]) : 0;
          for (std::size_t k = 0; k < sparse.row_indices(row).size(); ++k)
            sum += static_cast<double>(
                sparse.row_values(row)[k] *
                x[static_cast<std::size_t>(sparse.row_indices(row)[k] * width + column)]);
          ASSERT_NEAR(out[place], sum, 1e-5) << width << ": " << row << ", " << column;
        }
      }
    }
  }
}

TEST(SparseDenseProduct, WritesTheRowsThatItIsAskedFor) {
  const SparseMatrix sparse = drawn_matrix(13, 9);
  const std::vector<float> x = drawn(9 * 20, 1);
  std::vector<float> whole(13 * 20), part(13 * 20, 7);
  multiply_rows({.sparse = sparse, .width = 20, .x = x.data(), .out = whole.data()}, 0, 13);
  multiply_rows({.sparse = sparse, .width = 20, .x = x.data(), .out = part.data()}, 4, 6);
  for (std::size_t i = 0; i < part.size(); ++i)
    EXPECT_EQ(part[i], i >= 80 && i < 120 ? whole[i] : 7) << i;
}

}  // namespace
}  // namespace rapport::retrieval
