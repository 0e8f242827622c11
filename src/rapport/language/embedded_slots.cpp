#include "rapport/language/embedded_slots.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <tuple>

namespace rapport::language {
namespace {

/// Copying a slot moves its whole part of the cache (94 MB at 4,096 cells of SmolLM2-135M: 20 ms),
/// so it must save more tokens than could be computed in that time; twice that to be worth the
/// memory.
constexpr std::size_t kWorthCopying = 48;

/// Tokens at a prompt's end that may come out otherwise when the answer follows them: how a
/// template opens the answer.
constexpr std::size_t kTail = 4;

std::size_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  return static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(shorter), b.begin()).first -
      a.begin());
}

}  // namespace

SlotTable::SlotTable(std::size_t slots, AttentionTiles attention)
    : slots_(slots), attention_(attention) {}

std::size_t SlotTable::reusable(const Slot& slot, std::span<const std::int32_t> prompt,
                                bool reproducible) const {
  const std::size_t shared = std::min(common_prefix(slot.tokens, prompt), prompt.size() - 1);
  if (!reproducible) return shared;
  if (prompt.size() < attention_.tile) return std::min(shared, slot.single);
  return std::min({shared, slot.tiled, prompt.size() - attention_.tile});
}

std::optional<SlotTable::Placement> SlotTable::place(std::span<const std::int32_t> prompt,
                                                     bool reproducible) {
  assert(!prompt.empty());
  std::optional<std::size_t> best_idle, oldest_idle, best;
  std::vector<std::size_t> reuse(slots_.size());
  // The slot that saves most; among equals the one most alike, then the one with least beside it.
  const auto rank = [&](std::size_t i) {
    return std::tuple(reuse[i], common_prefix(slots_[i].tokens, prompt),
                      std::numeric_limits<std::size_t>::max() - slots_[i].tokens.size());
  };
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    reuse[i] = reusable(slots_[i], prompt, reproducible);
    if (!best || reuse[i] > reuse[*best]) best = i;
    if (slots_[i].busy) continue;
    if (!best_idle || rank(i) > rank(*best_idle)) best_idle = i;
    // Empty slots first, then the one whose conversation rests longest.
    const auto rests_longer = [&] {
      const bool empty = slots_[i].tokens.empty();
      const bool other_empty = slots_[*oldest_idle].tokens.empty();
      return empty != other_empty ? empty : slots_[i].used_at < slots_[*oldest_idle].used_at;
    };
    if (!oldest_idle || rests_longer()) oldest_idle = i;
  }
  if (!best_idle) return std::nullopt;

  Placement placement;
  // The next turn of a conversation, or the same one again, takes its slot. What merely begins
  // alike leaves the slot to its own conversation, which may come back.
  const Slot& candidate = slots_[*best_idle];
  const bool continues = !candidate.tokens.empty() &&
                         common_prefix(candidate.tokens, prompt) + kTail >= candidate.prompt;
  placement.slot = continues ? *best_idle : *oldest_idle;
  placement.keep = reuse[placement.slot];
  if (reuse[*best] >= placement.keep + kWorthCopying) {
    placement.copy_from = *best;
    placement.keep = reuse[*best];
    const Slot& source = slots_[*best];
    slots_[placement.slot].tokens = source.tokens;
    slots_[placement.slot].tiled = source.tiled;
    slots_[placement.slot].single = source.single;
  }
  slots_[placement.slot].prompt = prompt.size();
  truncate(placement.slot, placement.keep);
  slots_[placement.slot].busy = true;
  slots_[placement.slot].used_at = ++clock_;
  return placement;
}

void SlotTable::computed(std::size_t slot, std::span<const std::int32_t> tokens) {
  Slot& at = slots_[slot];
  const std::size_t before = at.tokens.size();
  const std::size_t after = before + tokens.size();
  if (tokens.size() >= attention_.tile) {
    if (at.tiled == before) at.tiled = after;
  } else if (at.single == before && after <= attention_.unsplit_cells) {
    at.single = after;
  }
  at.tokens.insert(at.tokens.end(), tokens.begin(), tokens.end());
}

void SlotTable::truncate(std::size_t slot, std::size_t count) {
  Slot& at = slots_[slot];
  at.tokens.resize(std::min(count, at.tokens.size()));
  at.tiled = std::min(at.tiled, count);
  at.single = std::min(at.single, count);
}

void SlotTable::release(std::size_t slot) {
  slots_[slot].busy = false;
  slots_[slot].used_at = ++clock_;
}

std::size_t chunk_size(std::size_t remaining, std::size_t limit, std::size_t tile) {
  const std::size_t chunk = std::max(limit, tile);
  if (remaining <= chunk) return remaining;
  if (remaining - chunk >= tile) return chunk;
  // Too little would be left: leave a tile, or when that leaves no tile here, take it all.
  return remaining >= 2 * tile ? remaining - tile : remaining;
}

}  // namespace rapport::language
