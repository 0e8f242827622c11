#include "rapport/retrieval/training/cloze.h"

#include <algorithm>

namespace rapport::retrieval {
namespace {

bool happens(double probability, base::SplitMix64& random) {
  return static_cast<double>(random.next() >> 11) * 0x1p-53 < probability;
}

/// From `least` to `most`.
std::size_t between(std::size_t least, std::size_t most, base::SplitMix64& random) {
  return least + static_cast<std::size_t>(random.next() % (most - least + 1));
}

}  // namespace

MaskedSequence mask_items(std::span<const data::ItemIndex> sequence, std::int64_t max_length,
                          const ClozeOptions& options, base::SplitMix64& random) {
  const std::size_t size = sequence.size(), most = static_cast<std::size_t>(max_length);
  const bool last_alone = happens(options.last_share, random);
  const std::size_t end = between(last_alone ? 2 : std::min(most, size), size, random);
  const auto read = sequence.first(end).last(std::min(most, end));

  MaskedSequence masked{.items = {read.begin(), read.end()}, .places = {}, .targets = {}};
  if (last_alone) {
    masked.places = {read.size() - 1};
  } else {
    for (std::size_t i = 0; i < read.size(); ++i)
      if (happens(options.mask_share, random)) masked.places.push_back(i);
    if (masked.places.empty()) masked.places = {between(0, read.size() - 1, random)};
  }
  for (const std::size_t place : masked.places) {
    masked.targets.push_back(read[place]);
    masked.items[place] = options.mask;
  }
  return masked;
}

}  // namespace rapport::retrieval
