// Which part of the key-value cache a request gets, and how much of what lies there it can use.
//
// Bookkeeping only: it says what to keep and copy, `InferenceThread` does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rapport::language {

/// llama.cpp's flash attention for CPUs takes tokens in tiles of this size and fewer than that one
/// by one; sums are ordered otherwise, so the same token's numbers differ a little between the two
/// ways.
inline constexpr std::size_t kAttentionTile = 64;
/// Up to so many cells of a conversation, one token by itself is computed as one among others;
/// beyond, llama.cpp splits its cells over threads.
inline constexpr std::size_t kUnsplitCells = 256;

/// Not thread-safe.
class SlotTable {
 public:
  struct Slot {
    std::vector<std::int32_t> tokens;  // whose keys and values the cache holds
    /// Leading tokens computed in tiles, and leading tokens computed one by one: where all of them
    /// are of one kind, the cache holds what computing the same prompt anew would give.
    std::size_t tiled = 0;
    std::size_t single = 0;
    std::size_t prompt = 0;  // leading tokens that were asked, not answered
    bool busy = false;
    std::uint64_t used_at = 0;
  };

  struct Placement {
    std::size_t slot = 0;
    std::optional<std::size_t> copy_from;  // first copy this slot's cells into `slot` …
    std::size_t keep = 0;                  // … then drop all but so many leading tokens
  };

  /// With `exact`, a token's numbers do not depend on how it was computed (no flash attention).
  SlotTable(std::size_t slots, bool exact);

  /// Takes a slot for `prompt` (not empty) and marks it busy; nullopt when all are. `reproducible`
  /// keeps only what was computed as it would be computed anew. At least the prompt's last token is
  /// left to compute, since its logits are wanted. The rest of the slot's record follows through
  /// `keep`, `computed` and `release`.
  std::optional<Placement> place(std::span<const std::int32_t> prompt, bool reproducible);

  /// `slot` now holds `tokens` more, computed together.
  void computed(std::size_t slot, std::span<const std::int32_t> tokens);
  /// `slot` now holds only its `count` leading tokens.
  void truncate(std::size_t slot, std::size_t count);
  /// The request is over; what the slot holds may serve others.
  void release(std::size_t slot);

  const Slot& operator[](std::size_t slot) const { return slots_[slot]; }
  std::size_t size() const { return slots_.size(); }

 private:
  std::size_t reusable(const Slot& slot, std::span<const std::int32_t> prompt,
                       bool reproducible) const;

  std::vector<Slot> slots_;
  bool exact_;
  std::uint64_t clock_ = 0;
};

/// How many of `remaining` prompt tokens to compute next, at most about `limit`: never so that
/// fewer than a tile's worth is left for the end, so that how a prompt is cut up does not show in
/// its numbers.
std::size_t chunk_size(std::size_t remaining, std::size_t limit);

}  // namespace rapport::language
