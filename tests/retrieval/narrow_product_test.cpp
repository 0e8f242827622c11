#include "rapport/retrieval/narrow_product.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>
#include <vector>

#include "rapport/retrieval/tiles/narrow_product_tiles.h"

namespace rapport::retrieval {
namespace {

/// Every compiled function that this processor can run.
std::vector<NarrowProductTiles*> runnable() {
  std::vector<NarrowProductTiles*> tiles = {multiply_narrow};
  for (const TilesFamily& family : kTilesFamilies)
    if (family.runs_here()) tiles.push_back(family.tiles);
  return tiles;
}

/// Floats of a matrix whose last row ends where its columns do: what reads or writes beyond them is
/// seen by AddressSanitizer.
std::int64_t floats(std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  return rows > 0 && columns > 0 ? (rows - 1) * stride + columns : 0;
}

/// Whole numbers, so that every order of summation gives the same.
RC_GTEST_PROP(NarrowProduct, IsTheProduct, ()) {
  const auto m = *rc::gen::inRange<std::int64_t>(0, 20),
             n = *rc::gen::inRange<std::int64_t>(0, 200),
             k = *rc::gen::element<std::int64_t>(0, 1, 2, 5, 12, 300);
  const bool transposed = *rc::gen::arbitrary<bool>(), add = *rc::gen::arbitrary<bool>();
  NarrowProduct product{.m = m,
                        .n = n,
                        .k = k,
                        .row_stride = k + 1,
                        .stride_b = n + 2,
                        .stride_c = n + 3,
                        .add = add};
  if (transposed) {
    product.row_stride = 1;
    product.column_stride = m + 1;
  }
  std::mt19937 random(*rc::gen::arbitrary<unsigned>());
  const auto whole = [&](std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(random() % 17) - 8;
    return values;
  };
  const auto a = whole(transposed ? floats(k, m, m + 1) : floats(m, k, k + 1)),
             b = whole(floats(k, n, n + 2)), before = whole(floats(m, n, n + 3));
  std::vector<float> expected = before;
  for (std::int64_t row = 0; row < m; ++row) {
    for (std::int64_t column = 0; column < n; ++column) {
      float& sum = expected[static_cast<std::size_t>(row * product.stride_c + column)];
      if (!add) sum = 0;
      for (std::int64_t i = 0; i < k; ++i)
        sum += a[static_cast<std::size_t>(row * product.row_stride + i * product.column_stride)] *
               b[static_cast<std::size_t>(i * product.stride_b + column)];
    }
  }
  for (NarrowProductTiles* const tiles : runnable()) {
    std::vector<float> c = before;
    tiles(product, a.data(), b.data(), c.data());
    RC_ASSERT(c == expected);  // what is beside the result too
  }
}

}  // namespace
}  // namespace rapport::retrieval
