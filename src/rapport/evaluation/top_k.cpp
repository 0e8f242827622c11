#include "rapport/evaluation/top_k.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace rapport::evaluation {

void top_k(std::span<const float> scores, std::int64_t k, std::vector<data::ItemIndex>& best) {
  assert(k >= 0);
  best.clear();
  if (k == 0 || scores.empty()) return;
  const std::size_t wanted = std::min(static_cast<std::size_t>(k), scores.size());
  const auto before = [scores](data::ItemIndex a, data::ItemIndex b) {
    const float of_a = scores[static_cast<std::size_t>(a)];
    const float of_b = scores[static_cast<std::size_t>(b)];
    return of_a != of_b ? of_a > of_b : a < b;
  };

  // Candidates gather until there are twice as many as wanted; then the better half stays, and the
  // worst of it is the bar for all that come later. An item equal to the bar comes after those that
  // made it in number, so it loses; and neither -infinity nor NaN is ever above a bar.
  float bar = -std::numeric_limits<float>::infinity();
  const std::size_t room = 2 * wanted + 64;
  best.reserve(room);
  const auto keep_the_better = [&] {
    if (best.size() <= wanted) return;
    std::ranges::nth_element(best, best.begin() + static_cast<std::ptrdiff_t>(wanted) - 1, before);
    best.resize(wanted);
    bar = scores[static_cast<std::size_t>(best.back())];
  };

  // Soon nearly every block is below the bar as a whole, which one vectorised pass finds out.
  constexpr std::size_t kBlock = 32;
  for (std::size_t start = 0; start < scores.size(); start += kBlock) {
    const std::size_t end = std::min(start + kBlock, scores.size());
    if (end - start == kBlock) {
      std::int32_t above = 0;
      for (std::size_t i = 0; i < kBlock; ++i) above |= scores[start + i] > bar ? 1 : 0;
      if (above == 0) continue;
    }
    for (std::size_t i = start; i < end; ++i) {
      if (scores[i] > bar) best.push_back(static_cast<data::ItemIndex>(i));
    }
    if (best.size() + kBlock > room) keep_the_better();
  }
  keep_the_better();
  std::ranges::sort(best, before);
}

}  // namespace rapport::evaluation
