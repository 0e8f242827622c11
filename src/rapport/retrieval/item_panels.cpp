#include "rapport/retrieval/item_panels.h"

#include <algorithm>

#include "rapport/retrieval/narrow_product.h"

namespace rapport::retrieval {

ItemPanels::ItemPanels(std::int64_t items, std::int64_t width)
    : items_(items),
      width_(width),
      transposed_(static_cast<std::size_t>(count() * kItems * width)) {}

std::int64_t ItemPanels::items_of(std::int64_t panel) const {
  return std::min(kItems, items_ - panel * kItems);
}

void ItemPanels::fill(const float* embedding, std::int64_t begin, std::int64_t end) {
  for (std::int64_t panel = begin; panel < end; ++panel) {
    const float* const rows = embedding + panel * kItems * width_;
    float* const columns = transposed_.data() + panel * width_ * kItems;
    const std::int64_t items = items_of(panel);
    for (std::int64_t k = 0; k < width_; ++k) {
      for (std::int64_t item = 0; item < items; ++item)
        columns[k * kItems + item] = rows[item * width_ + k];
    }
  }
}

void ItemPanels::score(const float* hidden, std::int64_t rows, float* scores) const {
  for (std::int64_t panel = 0; panel < count(); ++panel) {
    multiply_narrow({.m = rows,
                     .n = items_of(panel),
                     .k = width_,
                     .row_stride = width_,
                     .stride_b = kItems,
                     .stride_c = items_},
                    hidden, this->panel(panel), scores + panel * kItems);
  }
}

}  // namespace rapport::retrieval
