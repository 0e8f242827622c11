// The k-core: the largest part of the interactions in which every user and every item has at least
// k.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rapport::data {

struct Core {
  std::vector<bool> has_user;  // [users]
  std::vector<bool> has_item;  // [items]
};

/// Interaction i is of user[i] with item[i], each pair once. An interaction stays when both of its
/// ends do. There is exactly one such part, whatever the order of the interactions: what falls
/// below `k` in any order of removal falls in all. k ≤ 0 keeps everything; else whoever has no
/// interaction goes. Linear in the interactions.
Core k_core(std::span<const std::int32_t> user, std::span<const std::int32_t> item,
            std::size_t users, std::size_t items, std::int64_t k);

}  // namespace rapport::data
