#include "rapport/retrieval/caser_layer.h"

#include <algorithm>

#include "rapport/retrieval/linear.h"
#include "rapport/retrieval/narrow_product.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

/// The sums of one window: `best` [columns] is the largest of each filter, `place` where it is. At
/// place t only filters of at most window - t rows fit in.
RAPPORT_VECTORISED void pool(const CaserLayer& layer, const float* sums, float* best,
                             std::int32_t* place) {
  const std::int64_t columns = layer.columns();
  std::copy_n(sums, columns, best);
  std::fill_n(place, columns, 0);
  for (std::int64_t t = 1; t < layer.window; ++t) {
    sums += columns;
    const std::int64_t fit = std::min(columns, (layer.window - t) * layer.filters);
    for (std::int64_t i = 0; i < fit; ++i) {
      const bool larger = best[i] < sums[i];
      best[i] = larger ? sums[i] : best[i];
      place[i] = larger ? static_cast<std::int32_t>(t) : place[i];
    }
  }
  for (std::int64_t i = 0; i < columns; ++i) {
    const float sum = best[i] + layer.horizontal_bias[i];
    best[i] = sum < 0 ? 0 : sum;  // a NaN stays one
  }
}

/// Its gradient, which passes where the ReLU did, added to that of the sums.
RAPPORT_VECTORISED void pool_backward(const CaserLayer& layer, const float* best,
                                      const std::int32_t* place, float* best_gradient,
                                      float* sums_gradient) {
  const std::int64_t columns = layer.columns();
  for (std::int64_t i = 0; i < columns; ++i)
    best_gradient[i] = best[i] > 0 ? best_gradient[i] : 0.0f;
  for (std::int64_t t = 0; t < layer.window; ++t, sums_gradient += columns) {
    const std::int64_t fit = std::min(columns, (layer.window - t) * layer.filters);
    for (std::int64_t i = 0; i < fit; ++i)
      sums_gradient[i] += place[i] == t ? best_gradient[i] : 0.0f;
  }
}

/// products[vertical filter × window × dimension] += gradient of each filter's sum · each item.
RAPPORT_VECTORISED void add_products(const CaserLayer& layer, const float* x, const float* gradient,
                                     float* products) {
  const std::int64_t d = layer.dimension;
  for (std::int64_t f = 0; f < layer.vertical_filters; ++f, gradient += d) {
    for (std::int64_t row = 0; row < layer.window; ++row, products += d) {
      for (std::int64_t i = 0; i < d; ++i) products[i] += gradient[i] * x[row * d + i];
    }
  }
}

/// Pieces of the rows whose factors stay in the first caches, for each row of the filters.
template <typename Work>
void for_pieces(const CaserLayer& layer, std::int64_t rows, const Work& work) {
  for (std::int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    for (std::int64_t j = 0; j < layer.heights; ++j) {
      const std::int64_t count = std::min(kRowsAtOnce, rows - begin - j);
      if (count > 0) work(begin, count, j, layer.columns() - j * layer.filters);
    }
  }
}

void horizontal_forward(const CaserLayer& layer, std::int64_t rows, const float* x, float* sums) {
  const std::int64_t d = layer.dimension, columns = layer.columns();
  const auto work = [&](std::int64_t begin, std::int64_t count, std::int64_t j, std::int64_t n) {
    multiply_narrow({.m = count,
                     .n = n,
                     .k = d,
                     .row_stride = d,
                     .stride_b = n,
                     .stride_c = columns,
                     .add = j > 0},
                    x + (begin + j) * d, layer.horizontal[static_cast<std::size_t>(j)],
                    sums + begin * columns + columns - n);
  };
  for_pieces(layer, rows, work);
}

void horizontal_backward(const CaserLayer& layer, std::int64_t rows, const float* x,
                         const float* sums_gradient, const CaserGradients& gradients) {
  const std::int64_t d = layer.dimension, columns = layer.columns();
  std::vector<std::vector<float>> transposed;
  for (std::int64_t j = 0; j < layer.heights; ++j)
    transposed.push_back(transposed_matrix(layer.horizontal[static_cast<std::size_t>(j)], d,
                                           columns - j * layer.filters));
  const auto work = [&](std::int64_t begin, std::int64_t count, std::int64_t j, std::int64_t n) {
    const float* const gradient = sums_gradient + begin * columns + columns - n;
    multiply_narrow({.m = count,
                     .n = d,
                     .k = n,
                     .row_stride = columns,
                     .stride_b = d,
                     .stride_c = d,
                     .add = true},
                    gradient, transposed[static_cast<std::size_t>(j)].data(),
                    gradients.x + (begin + j) * d);
    multiply_narrow({.m = d,
                     .n = n,
                     .k = count,
                     .row_stride = 1,
                     .column_stride = d,
                     .stride_b = columns,
                     .stride_c = n,
                     .add = true},
                    x + (begin + j) * d, gradient,
                    gradients.horizontal[static_cast<std::size_t>(j)]);
  };
  for_pieces(layer, rows, work);
}

}  // namespace

Windows newest_windows(const PackedSequences& batch, std::int64_t length) {
  Windows windows;
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const std::int64_t size = std::min(batch.offsets[s + 1] - batch.offsets[s], length);
    const auto newest = batch.items.begin() + batch.offsets[s + 1] - size;
    windows.begins.push_back(windows.rows());
    windows.items.insert(windows.items.end(), static_cast<std::size_t>(length - size), -1);
    windows.items.insert(windows.items.end(), newest, newest + size);
  }
  return windows;
}

void gather_items(const Windows& windows, const float* embedding, std::int64_t width, float* x) {
  for (const std::int32_t item : windows.items) {
    if (item < 0) {
      std::fill_n(x, width, 0.0f);
    } else {
      std::copy_n(embedding + item * width, width, x);
    }
    x += width;
  }
}

RAPPORT_VECTORISED void put_rectified(const float* x, std::int64_t width, float* out) {
  for (std::int64_t i = 0; i < width; ++i) out[i] = x[i] < 0 ? 0 : x[i];  // a NaN stays one
}

void caser_forward(const CaserLayer& layer, const Windows& windows, const float* x, float* features,
                   CaserTrace& trace) {
  const std::int64_t d = layer.dimension, columns = layer.columns();
  trace.sums.resize(static_cast<std::size_t>(windows.rows() * columns));
  trace.largest.resize(static_cast<std::size_t>(windows.count() * columns));
  horizontal_forward(layer, windows.rows(), x, trace.sums.data());
  std::int32_t* place = trace.largest.data();
  for (const std::int64_t begin : windows.begins) {
    pool(layer, trace.sums.data() + begin * columns, features, place);
    multiply_narrow({.m = layer.vertical_filters,
                     .n = d,
                     .k = layer.window,
                     .row_stride = layer.window,
                     .stride_b = d,
                     .stride_c = d},
                    layer.vertical, x + begin * d, features + columns);
    features += layer.width();
    place += columns;
  }
}

void caser_backward(const CaserLayer& layer, const Windows& windows, const float* x,
                    const float* features, float* features_gradient, CaserTrace& trace,
                    const CaserGradients& gradients) {
  const std::int64_t d = layer.dimension, columns = layer.columns(), width = layer.width();
  std::ranges::fill(trace.sums, 0.0f);
  std::fill_n(gradients.x, windows.rows() * d, 0.0f);
  std::vector<float> products(static_cast<std::size_t>(layer.vertical_filters * layer.window * d));
  const std::int32_t* place = trace.largest.data();
  float* gradient = features_gradient;
  for (const std::int64_t begin : windows.begins) {
    pool_backward(layer, features, place, gradient, trace.sums.data() + begin * columns);
    add_products(layer, x + begin * d, gradient + columns, products.data());
    multiply_narrow({.m = layer.window,
                     .n = d,
                     .k = layer.vertical_filters,
                     .row_stride = 1,
                     .column_stride = layer.window,
                     .stride_b = d,
                     .stride_c = d,
                     .add = true},
                    layer.vertical, gradient + columns, gradients.x + begin * d);
    features += width;
    gradient += width;
    place += columns;
  }
  for (std::int64_t i = 0; i < layer.vertical_filters * layer.window; ++i) {
    for (std::int64_t j = 0; j < d; ++j)
      gradients.vertical[i] += products[static_cast<std::size_t>(i * d + j)];
  }
  add_column_sums(features_gradient, windows.count(), columns, width, gradients.horizontal_bias);
  horizontal_backward(layer, windows.rows(), x, trace.sums.data(), gradients);
}

}  // namespace rapport::retrieval
