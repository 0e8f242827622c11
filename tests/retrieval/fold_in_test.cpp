#include "rapport/retrieval/fold_in.h"

#include <gtest/gtest.h>

#include "rapport/base/random.h"

namespace rapport::retrieval {
namespace {

using Histories = std::vector<std::vector<data::ItemIndex>>;
constexpr std::int64_t kItems = 40, kItemWidth = 4, kUserWidth = 3;

std::vector<float> drawn(std::int64_t count, std::uint64_t seed) {
  base::SplitMix64 random(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random.next() >> 40) * 0x1p-24f - 0.5f;
  return values;
}

Histories drawn_histories(std::int64_t users) {
  base::SplitMix64 random(2);
  Histories histories(static_cast<std::size_t>(users));
  for (auto& history : histories) {
    for (int i = 0; i < 3; ++i)
      history.push_back(static_cast<data::ItemIndex>(random.next() % kItems));
  }
  return histories;
}

std::vector<float> taken_of(const Histories& histories, const std::vector<float>& item_factors,
                            const std::vector<float>& user_factors, std::int64_t count = 2) {
  TrainingThreads threads(count);
  std::vector<float> taken(kItems * kUserWidth, 7);
  fit_fold_in({.items = kItems,
               .item_width = kItemWidth,
               .user_width = kUserWidth,
               .item_factors = item_factors.data(),
               .user_factors = user_factors.data()},
              std::vector<std::span<const data::ItemIndex>>(histories.begin(), histories.end()),
              threads, taken);
  return taken;
}

TEST(FoldIn, FindsTheUsersThatFollowFromTheMeanOfTheirItems) {
  const std::vector<float> item_factors = drawn(kItems * kItemWidth, 1);
  const Histories histories = drawn_histories(300);
  constexpr float kMap[kItemWidth][kUserWidth] = {{2, 0, 1}, {0, -1, 0}, {0.5f, 0, 3}, {0, 1, 0}};
  constexpr float kOffset[kUserWidth] = {5, 0, -1};
  std::vector<float> truth(kItems * kUserWidth);  // what each item says of who took it
  for (std::size_t item = 0; item < kItems; ++item) {
    for (std::size_t j = 0; j < kUserWidth; ++j) {
      truth[item * kUserWidth + j] = kOffset[j];
      for (std::size_t i = 0; i < kItemWidth; ++i)
        truth[item * kUserWidth + j] += item_factors[item * kItemWidth + i] * kMap[i][j];
    }
  }
  std::vector<float> user_factors(300 * kUserWidth);
  for (std::size_t user = 0; user < 300; ++user)
    add_mean_of(histories[user], truth.data(), kUserWidth, &user_factors[user * kUserWidth]);

  const std::vector<float> taken = taken_of(histories, item_factors, user_factors);
  for (std::size_t i = 0; i < taken.size(); ++i) EXPECT_NEAR(taken[i], truth[i], 0.05) << i;
}

TEST(FoldIn, LeavesOutUsersWithoutHistory) {
  const std::vector<float> item_factors = drawn(kItems * kItemWidth, 1);
  Histories histories = drawn_histories(50);
  std::vector<float> user_factors = drawn(51 * kUserWidth, 3);
  const std::vector<float> without = taken_of(histories, item_factors, user_factors);
  histories.emplace_back();
  user_factors.back() = 1000;
  EXPECT_EQ(taken_of(histories, item_factors, user_factors), without);
}

TEST(FoldIn, IsTheSameForAnyNumberOfThreads) {
  const Histories histories = drawn_histories(5000);  // more than are held at a time
  const std::vector<float> items = drawn(kItems * kItemWidth, 1),
                           users = drawn(5000 * kUserWidth, 3);
  EXPECT_EQ(taken_of(histories, items, users, 1), taken_of(histories, items, users, 3));
}

TEST(FoldIn, IsZeroWhereThereIsNothingToLearnFrom) {
  const std::vector<float> user_factors = drawn(2 * kUserWidth, 3);
  for (const float taken : taken_of({{}, {}}, drawn(kItems * kItemWidth, 1), user_factors))
    EXPECT_EQ(taken, 0);
  const std::vector<float> nothing(kItems * kItemWidth);
  for (const float taken : taken_of({{1}, {2}}, nothing, user_factors)) EXPECT_EQ(taken, 0);
}

TEST(FoldIn, AddsTheMeanOfTheHistorysRows) {
  const std::vector<float> rows = {1, 2, 10, 20, 100, 200};
  std::vector<float> user = {1, 1};
  const std::vector<data::ItemIndex> history = {0, 2};
  add_mean_of(history, rows.data(), 2, user.data());
  EXPECT_EQ(user, (std::vector<float>{51.5f, 102}));
  add_mean_of({}, rows.data(), 2, user.data());
  EXPECT_EQ(user, (std::vector<float>{51.5f, 102}));
}

}  // namespace
}  // namespace rapport::retrieval
