// Which part of the key-value cache a request gets, and how much of what lies there it can use.
//
// Bookkeeping only: it says what to keep and copy, `InferenceThread` does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace rapport::language {

/// How llama.cpp computes attention on CPUs: a tile of tokens or more at once, and fewer one by
/// one. Sums are ordered otherwise, so the same token's numbers may differ between the two ways.
struct AttentionTiles {
  std::size_t tile = 0;
  /// Up to so many cells of a conversation, fewer tokens than a tile have the same numbers whatever
  /// is computed beside them; beyond, flash attention splits the cells over threads.
  std::size_t unsplit_cells = 0;
};
inline constexpr AttentionTiles kFlashAttention{.tile = 64, .unsplit_cells = 256};
/// Without flash attention: products of matrices, where a single row has a kernel of its own.
inline constexpr AttentionTiles kPlainAttention{
    .tile = 2, .unsplit_cells = std::numeric_limits<std::size_t>::max()};

inline constexpr AttentionTiles attention_tiles(bool flash_attention) {
  return flash_attention ? kFlashAttention : kPlainAttention;
}

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

  SlotTable(std::size_t slots, AttentionTiles attention);

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
  AttentionTiles attention_;
  std::uint64_t clock_ = 0;
};

/// How many of `remaining` prompt tokens to compute next, at most about `limit`: never so that
/// fewer than a `tile` is left for the end, so that how a prompt is cut up does not show in its
/// numbers.
std::size_t chunk_size(std::size_t remaining, std::size_t limit, std::size_t tile);

}  // namespace rapport::language
