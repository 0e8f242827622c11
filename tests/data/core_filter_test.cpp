#include "rapport/data/core_filter.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

namespace rapport::data {
namespace {

using Pair = std::pair<std::int32_t, std::int32_t>;

constexpr std::int32_t kUsers = 12;
constexpr std::int32_t kItems = 10;

Core core_of(const std::vector<Pair>& pairs, std::int64_t k) {
  std::vector<std::int32_t> user, item;
  for (const auto& [u, i] : pairs) {
    user.push_back(u);
    item.push_back(i);
  }
  return k_core(user, item, kUsers, kItems, k);
}

std::vector<Pair> kept(const std::vector<Pair>& pairs, std::int64_t k) {
  const Core core = core_of(pairs, k);
  std::vector<Pair> stay;
  std::ranges::copy_if(pairs, std::back_inserter(stay), [&](const Pair& pair) {
    return core.has_user[static_cast<std::size_t>(pair.first)] &&
           core.has_item[static_cast<std::size_t>(pair.second)];
  });
  return stay;
}

/// The definition, as slow as it reads: drop whoever is below k, and look again.
std::vector<Pair> by_definition(std::vector<Pair> pairs, std::int64_t k) {
  while (true) {
    const std::vector<Pair> before = pairs;
    std::erase_if(pairs, [&](const Pair& pair) {
      return std::ranges::count(before, pair.first, &Pair::first) < k ||
             std::ranges::count(before, pair.second, &Pair::second) < k;
    });
    if (pairs == before) return pairs;
  }
}

rc::Gen<std::vector<Pair>> interactions() {
  const auto pair = rc::gen::pair(rc::gen::inRange(0, kUsers), rc::gen::inRange(0, kItems));
  return rc::gen::map(rc::gen::container<std::vector<Pair>>(80, pair), [](std::vector<Pair> all) {
    const std::set<Pair> unique(all.begin(), all.end());
    return std::vector<Pair>(unique.begin(), unique.end());
  });
}

RC_GTEST_PROP(KCore, IsWhatTheDefinitionLeaves, ()) {
  const auto pairs = *interactions();
  const auto k = *rc::gen::inRange<std::int64_t>(-1, 7);
  RC_ASSERT(kept(pairs, k) == by_definition(pairs, k));
}

RC_GTEST_PROP(KCore, LeavesNothingBelowKAndIsAFixedPoint, ()) {
  const auto pairs = *interactions();
  const auto k = *rc::gen::inRange<std::int64_t>(1, 7);
  const std::vector<Pair> once = kept(pairs, k);
  for (const auto& [user, item] : once) {
    RC_ASSERT(std::ranges::count(once, user, &Pair::first) >= k);
    RC_ASSERT(std::ranges::count(once, item, &Pair::second) >= k);
  }
  RC_ASSERT(kept(once, k) == once);
}

RC_GTEST_PROP(KCore, DoesNotDependOnTheOrderOfTheInteractions, ()) {
  auto pairs = *interactions();
  const auto k = *rc::gen::inRange<std::int64_t>(1, 7);
  const Core core = core_of(pairs, k);
  for (std::size_t i = pairs.size(); i > 1; --i)
    std::swap(pairs[i - 1], pairs[*rc::gen::inRange<std::size_t>(0, i)]);
  const Core shuffled = core_of(pairs, k);
  RC_ASSERT(shuffled.has_user == core.has_user);
  RC_ASSERT(shuffled.has_item == core.has_item);
}

TEST(KCore, PeelsAChainFromItsEnds) {
  // u0-i0-u1-i1-…: with k = 2 each round only the two ends fall, and in the end everything.
  std::vector<std::int32_t> user, item;
  constexpr std::int32_t kLength = 100'000;
  for (std::int32_t n = 0; n < kLength; ++n) {
    user.insert(user.end(), {n, n + 1});
    item.insert(item.end(), {n, n});
  }
  const Core core = k_core(user, item, kLength + 1, kLength, 2);
  EXPECT_EQ(std::ranges::count(core.has_user, true), 0);
  EXPECT_EQ(std::ranges::count(core.has_item, true), 0);
}

}  // namespace
}  // namespace rapport::data
