// What a user is near to by three hops over the interactions: from their items to other users who
// took them, and from these to what else they took. It fills short histories up.
//
//   const Affinity affinity(dataset);
//   affinity.nearest(user, history, 10, {target});
//
// Source: the paper, §2.2 (3-hop affinity). Each hop goes to all that are there with equal chance:
// a random walk of three steps. Only training parts are walked over.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/data/dataset.h"

namespace rapport::palr {

/// Thread-safe.
class Affinity {
 public:
  explicit Affinity(const data::Dataset& dataset);

  /// Up to `count` items, likeliest first, that are neither in `history` nor in `excluded`. Users
  /// other than `user` are walked through; -1 for one who is not in the data set.
  std::vector<data::ItemIndex> nearest(data::UserIndex user,
                                       std::span<const data::ItemIndex> history, std::size_t count,
                                       std::span<const data::ItemIndex> excluded) const;

 private:
  std::vector<std::span<const data::ItemIndex>> histories_;  // [users], of the data set
  std::vector<std::vector<data::UserIndex>> takers_;         // [items]
};

}  // namespace rapport::palr
