// The item embedding as scores read it.
#pragma once

#include <cstdint>
#include <vector>

namespace rapport::retrieval {

/// The item embedding [items × width], transposed in panels of 64 items: as the logits read it.
class ItemPanels {
 public:
  static constexpr std::int64_t kItems = 64;  // of a panel; those beyond the last item are zero

  ItemPanels(std::int64_t items, std::int64_t width);

  std::int64_t items() const { return items_; }
  std::int64_t width() const { return width_; }
  std::int64_t count() const { return (items_ + kItems - 1) / kItems; }
  /// Items of panel `panel`, fewer than kItems in the last.
  std::int64_t items_of(std::int64_t panel) const;
  /// Copies panels [begin, end); different ones may be filled at once.
  void fill(const float* embedding, std::int64_t begin, std::int64_t end);
  const float* panel(std::int64_t panel) const {  // [width × kItems]
    return transposed_.data() + panel * width_ * kItems;
  }
  /// scores [rows × items] = hidden [rows × width] · embeddingᵀ.
  void score(const float* hidden, std::int64_t rows, float* scores) const;

 private:
  std::int64_t items_, width_;
  std::vector<float> transposed_;
};

}  // namespace rapport::retrieval
