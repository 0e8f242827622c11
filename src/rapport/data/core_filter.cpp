#include "rapport/data/core_filter.h"

#include <cassert>

namespace rapport::data {
namespace {

/// The interactions of each node, end to end.
struct Incidence {
  std::vector<std::size_t> first;  // [nodes + 1] into `interactions`
  std::vector<std::size_t> interactions;

  Incidence(std::span<const std::int32_t> node, std::size_t nodes)
      : first(nodes + 1), interactions(node.size()) {
    for (const std::int32_t n : node) ++first[static_cast<std::size_t>(n) + 1];
    for (std::size_t n = 0; n < nodes; ++n) first[n + 1] += first[n];
    std::vector<std::size_t> next(first.begin(), first.end() - 1);
    for (std::size_t i = 0; i < node.size(); ++i)
      interactions[next[static_cast<std::size_t>(node[i])]++] = i;
  }
  std::span<const std::size_t> of(std::size_t node) const {
    return std::span(interactions).subspan(first[node], first[node + 1] - first[node]);
  }
};

/// One side of the graph: users or items.
struct Side {
  std::span<const std::int32_t> node;  // [interactions]
  Incidence incidence;
  std::vector<std::int64_t> degree;  // [nodes] interactions that are left
  std::vector<bool> stays;           // [nodes]
  std::vector<std::size_t> falling;  // nodes that do not stay, but whose interactions still count

  Side(std::span<const std::int32_t> nodes_of, std::size_t nodes, std::int64_t k)
      : node(nodes_of), incidence(nodes_of, nodes), degree(nodes), stays(nodes, true) {
    for (std::size_t n = 0; n < nodes; ++n) {
      degree[n] = static_cast<std::int64_t>(incidence.of(n).size());
      if (degree[n] < k) drop(n);
    }
  }
  void drop(std::size_t n) {
    stays[n] = false;
    falling.push_back(n);
  }
};

/// Takes the interactions of everybody who falls on one side from the other, where others may fall.
void settle(Side& side, Side& other, std::int64_t k) {
  while (!side.falling.empty()) {
    const std::size_t n = side.falling.back();
    side.falling.pop_back();
    for (const std::size_t interaction : side.incidence.of(n)) {
      const auto end = static_cast<std::size_t>(other.node[interaction]);
      if (other.stays[end] && --other.degree[end] < k) other.drop(end);
    }
  }
}

}  // namespace

Core k_core(std::span<const std::int32_t> user, std::span<const std::int32_t> item,
            std::size_t users, std::size_t items, std::int64_t k) {
  assert(user.size() == item.size());
  Side user_side(user, users, k);
  Side item_side(item, items, k);
  while (!user_side.falling.empty() || !item_side.falling.empty()) {
    settle(user_side, item_side, k);
    settle(item_side, user_side, k);
  }
  return {std::move(user_side.stays), std::move(item_side.stays)};
}

}  // namespace rapport::data
