#include "rapport/retrieval/training/cloze.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace rapport::retrieval {
namespace {

constexpr data::ItemIndex kMask = 1000;

std::vector<data::ItemIndex> counting(std::size_t size) {
  std::vector<data::ItemIndex> sequence(size);
  std::iota(sequence.begin(), sequence.end(), 0);
  return sequence;
}

/// What is masked, put back, is a stretch of the sequence.
TEST(MaskItems, HidesItemsOfAStretchAndRemembersThem) {
  base::SplitMix64 random(1);
  for (std::size_t size = 2; size < 60; ++size) {
    const auto sequence = counting(size);
    const ClozeOptions options{.mask = kMask, .mask_share = 0.3, .last_share = 0.5};
    MaskedSequence masked = mask_items(sequence, 20, options, random);
    ASSERT_FALSE(masked.places.empty());
    ASSERT_EQ(masked.places.size(), masked.targets.size());
    EXPECT_TRUE(std::ranges::is_sorted(masked.places));
    EXPECT_LE(masked.items.size(), 20u);
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(masked.items, kMask)),
              masked.places.size());
    for (std::size_t i = 0; i < masked.places.size(); ++i)
      masked.items[masked.places[i]] = masked.targets[i];
    for (std::size_t i = 1; i < masked.items.size(); ++i)
      EXPECT_EQ(masked.items[i], masked.items[i - 1] + 1);
  }
}

TEST(MaskItems, MasksItsShareOfTheItemsTheNewestAmongThem) {
  base::SplitMix64 random(2);
  const auto sequence = counting(40);
  std::size_t masks = 0;
  std::set<data::ItemIndex> targets;
  for (int i = 0; i < 1000; ++i) {
    const MaskedSequence masked =
        mask_items(sequence, 50, {.mask = kMask, .mask_share = 0.2, .last_share = 0}, random);
    EXPECT_EQ(masked.items.size(), 40u);
    masks += masked.places.size();
    targets.insert(masked.targets.begin(), masked.targets.end());
  }
  EXPECT_NEAR(static_cast<double>(masks) / 40'000, 0.2, 0.01);
  EXPECT_EQ(targets.size(), 40u);
}

TEST(MaskItems, MasksTheLastAloneBehindAHistoryOfAnyLength) {
  base::SplitMix64 random(3);
  const auto sequence = counting(12);
  std::set<data::ItemIndex> targets;
  for (int i = 0; i < 500; ++i) {
    const MaskedSequence masked =
        mask_items(sequence, 5, {.mask = kMask, .mask_share = 0.2, .last_share = 1}, random);
    EXPECT_EQ(masked.places, std::vector<std::size_t>{masked.items.size() - 1});
    targets.insert(masked.targets.front());
  }
  EXPECT_EQ(targets.size(), 11u) << "all but the first";
}

TEST(MaskItems, MasksOneWhereNoneWasDrawn) {
  base::SplitMix64 random(4);
  for (int i = 0; i < 100; ++i) {
    const auto masked =
        mask_items(counting(3), 5, {.mask = kMask, .mask_share = 1e-9, .last_share = 0}, random);
    EXPECT_EQ(masked.places.size(), 1u);
  }
}

}  // namespace
}  // namespace rapport::retrieval
