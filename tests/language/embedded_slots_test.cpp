#include "rapport/language/embedded_slots.h"

#include <gtest/gtest.h>

#include <numeric>

namespace rapport::language {
namespace {

using Tokens = std::vector<std::int32_t>;

/// `count` tokens that no other `seed` shares.
Tokens text(std::int32_t seed, std::size_t count) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), seed * 10'000);
  return tokens;
}

Tokens operator+(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A table whose requests read their whole prompt in one piece and write `answer` token by token.
class SlotTableTest : public ::testing::Test {
 protected:
  SlotTable table{3, kFlashAttention};

  SlotTable::Placement begin(const Tokens& prompt, bool reproducible = false) {
    const auto placement = table.place(prompt, reproducible);
    EXPECT_TRUE(placement);
    table.computed(placement->slot, std::span(prompt).subspan(placement->keep));
    return *placement;
  }

  SlotTable::Placement run(const Tokens& prompt, const Tokens& answer = {},
                           bool reproducible = false) {
    const auto placement = begin(prompt, reproducible);
    for (const std::int32_t token : answer) table.computed(placement.slot, {&token, 1});
    table.release(placement.slot);
    return placement;
  }
};

TEST_F(SlotTableTest, TheNextTurnContinuesInItsSlot) {
  const Tokens first = text(1, 100), answer = text(2, 20);
  const auto before = run(first, answer);
  run(text(5, 100));
  const auto after = run(first + answer + text(3, 10));
  EXPECT_EQ(after.slot, before.slot);
  EXPECT_EQ(after.keep, 120u);
  EXPECT_FALSE(after.copy_from);
}

TEST_F(SlotTableTest, TheLastTokenOfAPromptIsAlwaysComputed) {
  run(text(1, 100));
  EXPECT_EQ(run(text(1, 100)).keep, 99u);
}

TEST_F(SlotTableTest, ABeginningInAnotherConversationIsCopiedNotTaken) {
  const Tokens system = text(1, 80);
  const auto other = run(system + text(2, 300));
  const auto mine = run(system + text(3, 30));
  EXPECT_NE(mine.slot, other.slot);
  EXPECT_EQ(mine.copy_from, other.slot);
  EXPECT_EQ(mine.keep, 80u);
  EXPECT_EQ(table[other.slot].tokens.size(), 380u) << "the other conversation may come back";
}

TEST_F(SlotTableTest, AskingTheSameAgainTakesTheSameSlot) {
  const auto first = run(text(1, 100), text(2, 30));
  const auto again = run(text(1, 100));
  EXPECT_EQ(again.slot, first.slot);
  EXPECT_FALSE(again.copy_from);
}

TEST_F(SlotTableTest, ABeginningInABusySlotIsCopied) {
  const auto busy = begin(text(1, 200));
  const auto mine = begin(text(1, 150));
  EXPECT_NE(mine.slot, busy.slot);
  EXPECT_EQ(mine.copy_from, busy.slot);
  EXPECT_EQ(mine.keep, 149u);
}

TEST_F(SlotTableTest, AShortCommonBeginningIsNotWorthACopy) {
  run(text(1, 20) + text(2, 300));
  const auto mine = run(text(1, 20) + text(3, 300));
  EXPECT_FALSE(mine.copy_from);
  EXPECT_EQ(mine.keep, 0u);
}

TEST_F(SlotTableTest, TheConversationThatRestedLongestMakesRoom) {
  const auto a = run(text(1, 50));
  const auto b = run(text(2, 50));
  run(text(3, 50));
  run(text(1, 50));
  EXPECT_EQ(run(text(4, 50)).slot, b.slot);
  EXPECT_NE(a.slot, b.slot);
}

TEST_F(SlotTableTest, NoPlaceWhileAllAreBusy) {
  for (std::int32_t seed = 0; seed < 3; ++seed) begin(text(seed, 10));
  EXPECT_FALSE(table.place(text(9, 10), false));
  table.release(1);
  EXPECT_EQ(table.place(text(9, 10), false)->slot, 1u);
}

// What a reproducible request keeps was computed just as it would be now.
TEST_F(SlotTableTest, AReproducibleRequestKeepsOnlyWhatItWouldComputeTheSame) {
  const Tokens first = text(1, 200), answer = text(2, 20);
  run(first, answer);
  const auto next = run(first + answer + text(3, 100), {}, /*reproducible=*/true);
  EXPECT_EQ(next.keep, 200u) << "the answer was computed token by token, the prompt in tiles";
  const auto again = run(first, {}, /*reproducible=*/true);
  EXPECT_EQ(again.keep, 200u - kFlashAttention.tile) << "what is left must fill a tile";
}

TEST_F(SlotTableTest, AReproducibleTurnTakesItsSlotAlsoWhenItKeepsNothing) {
  const auto first = run(text(1, 30), text(2, 10), true);
  EXPECT_EQ(run(text(1, 30) + text(2, 10) + text(4, 80), {}, true).slot, first.slot);
}

TEST_F(SlotTableTest, AReproducibleShortPromptKeepsShortPrompts) {
  run(text(1, 30), text(2, 10));
  EXPECT_EQ(run(text(1, 30) + text(2, 10) + text(3, 5), {}, true).keep, 40u);
  EXPECT_EQ(run(text(1, 30) + text(2, 10) + text(4, 80), {}, true).keep, 0u)
      << "a long prompt would compute these in tiles";
}

TEST_F(SlotTableTest, WithoutFlashAttentionOnlySingleTokensAreComputedOtherwise) {
  table = SlotTable(3, kPlainAttention);
  run(text(1, 200), text(2, 20));
  EXPECT_EQ(run(text(1, 200) + text(2, 20) + text(3, 100), {}, true).keep, 200u)
      << "the answer was computed token by token";
  EXPECT_EQ(run(text(1, 200), {}, true).keep, 198u) << "no token is left by itself";
  EXPECT_EQ(run(text(1, 200), {}, false).keep, 199u);
}

// Law: pieces make up the whole, none is longer than asked but by less than a tile, and none is
// shorter than a tile unless the whole is.
TEST(ChunkSize, NeverLeavesLessThanATile) {
  for (const std::size_t tile : {kFlashAttention.tile, kPlainAttention.tile}) {
    for (const std::size_t limit : {64u, 100u, 128u, 512u}) {
      for (std::size_t length = 1; length < 1500; ++length) {
        std::size_t remaining = length;
        while (remaining > 0) {
          const std::size_t chunk = chunk_size(remaining, limit, tile);
          ASSERT_GT(chunk, 0u);
          ASSERT_LE(chunk, std::max<std::size_t>(limit, 2 * tile - 1));
          ASSERT_TRUE(chunk >= tile || length < tile) << length << " by " << limit;
          remaining -= chunk;
        }
      }
    }
  }
}

}  // namespace
}  // namespace rapport::language
