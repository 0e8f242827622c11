// The convolutions of Caser and their gradient: the last L items of a history are an image, time
// downwards, and filters slide over it.
//
//   const Windows windows = newest_windows(batch, 5);      // of packed sequences
//   gather_items(windows, embedding, d, x);                // x [windows.rows() × d]
//   caser_forward(layer, windows, x, features, trace);     // features [windows.count() × width]
//
// A horizontal filter of height h sees h items at once, all their dimensions; of its values at the
// L - h + 1 places of a window the largest counts. A vertical filter is a weighted sum of the
// window's items. Source: Tang & Wang 2018, sections 3.2.1 and 3.2.2.
#pragma once

#include <cstdint>
#include <vector>

#include "rapport/retrieval/sequence_model.h"

namespace rapport::retrieval {

/// Sequences with so much padding in front of each that a window is rows in one piece.
struct Windows {
  std::vector<std::int32_t> items;   // [rows], -1: padding
  std::vector<std::int64_t> begins;  // [windows], the row of the oldest item

  std::int64_t rows() const { return static_cast<std::int64_t>(items.size()); }
  std::int64_t count() const { return static_cast<std::int64_t>(begins.size()); }
};
/// One for each sequence, of its newest items; all padding where it is empty.
Windows newest_windows(const PackedSequences& batch, std::int64_t length);
/// x [rows × width]: each row's item vector, zeros for padding.
void gather_items(const Windows& windows, const float* embedding, std::int64_t width, float* x);

/// Weights. `horizontal[j]` [dimension × (heights - j) · horizontal filters] has row j of the
/// filters of each height above j, the lowest first.
struct CaserLayer {
  std::int64_t dimension = 0;
  std::int64_t window = 0;   // L
  std::int64_t heights = 0;  // of horizontal filters: 1 … heights, at most L
  std::int64_t filters = 0;  // horizontal ones of each height
  std::int64_t vertical_filters = 0;
  std::vector<const float*> horizontal;    // [heights]
  const float* horizontal_bias = nullptr;  // [heights × filters]
  const float* vertical = nullptr;         // [vertical_filters × window]

  std::int64_t columns() const { return heights * filters; }
  /// Features of a window: what the horizontal filters found, then the vertical ones' sums, which
  /// need no bias, as the layer after them has one.
  std::int64_t width() const { return columns() + vertical_filters * dimension; }
};

/// What forward leaves for backward, which overwrites it.
struct CaserTrace {
  std::vector<float> sums;            // [rows × columns], of the filters beginning at each row
  std::vector<std::int32_t> largest;  // [windows × columns], the place in the window
};

/// out [width]: those of x above 0.
void put_rectified(const float* x, std::int64_t width, float* out);

/// features [windows × width], written.
void caser_forward(const CaserLayer& layer, const Windows& windows, const float* x, float* features,
                   CaserTrace& trace);

struct CaserGradients {
  std::vector<float*> horizontal;  // these three are added to
  float* horizontal_bias = nullptr;
  float* vertical = nullptr;
  float* x = nullptr;  // [rows × dimension], written
};
/// `features` are forward's, or some of them zeroed since with their gradient;
/// `features_gradient` [windows × width] is overwritten.
void caser_backward(const CaserLayer& layer, const Windows& windows, const float* x,
                    const float* features, float* features_gradient, CaserTrace& trace,
                    const CaserGradients& gradients);

}  // namespace rapport::retrieval
