// Which items of a history are masked, to be predicted from what stands on both sides of them.
// Source: Sun et al. 2019, section 3.6, after Devlin et al. 2019; every chosen item becomes the
// mask, none another item or itself.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/base/random.h"
#include "rapport/data/indexes.h"

namespace rapport::retrieval {

struct ClozeOptions {
  data::ItemIndex mask = 0;  // what stands in the place of an item
  double mask_share = 0.2;   // of the items, (0, 1)
  /// Of the sequences, [0, 1]: those that end at a place drawn by lot and have their last item
  /// masked alone, which is what inference asks for.
  double last_share = 0.1;
};

struct MaskedSequence {
  std::vector<data::ItemIndex> items;
  std::vector<std::size_t> places;       // of the masks in `items`, ascending, at least one
  std::vector<data::ItemIndex> targets;  // what was there
};

/// Of `max_length` items in a row, from a place drawn by lot; all of a shorter `sequence`, which
/// has two or more.
MaskedSequence mask_items(std::span<const data::ItemIndex> sequence, std::int64_t max_length,
                          const ClozeOptions& options, base::SplitMix64& random);

}  // namespace rapport::retrieval
