#include "rapport/retrieval/interactions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "rapport/base/clock.h"

namespace rapport::retrieval {
namespace {

const base::SystemClock kClock;

std::vector<std::span<const data::ItemIndex>> spans(
    const std::vector<std::vector<data::ItemIndex>>& taken) {
  return {taken.begin(), taken.end()};
}

TEST(NegativeSampler, DrawsWhatAUserDoesNotKnowUniformlyOrAsOftenAsItIsTaken) {
  // User 0 knows item 0; of the others, item 1 is taken three times, item 2 once and item 3 never.
  const std::vector<std::vector<data::ItemIndex>> taken = {{0}, {1}, {1, 2}, {1}};
  const auto own = spans(taken);
  TrainingThreads threads(2);
  struct Case {
    double popular;
    std::map<std::int32_t, double> expected;  // shares
  };
  for (const Case& c :
       {Case{0, {{1, 1 / 3.0}, {2, 1 / 3.0}, {3, 1 / 3.0}}}, Case{1, {{1, 3 / 4.0}, {2, 1 / 4.0}}},
        Case{0.5, {{1, 0.425 / 0.775}, {2, 0.225 / 0.775}, {3, 0.125 / 0.775}}}}) {
    const NegativeSampler sampler(own, 4, c.popular);
    const std::vector<Interaction> batch(20'000, Interaction{.user = 0, .item = 0});
    std::vector<std::int32_t> negatives;
    sampler.draw(batch, 2, 1, threads, negatives);
    ASSERT_EQ(negatives.size(), 40'000u);
    std::map<std::int32_t, double> shares;
    for (const std::int32_t item : negatives) shares[item] += 1 / 40'000.0;
    EXPECT_EQ(shares.size(), c.expected.size());
    for (const auto& [item, share] : c.expected) EXPECT_NEAR(shares[item], share, 0.02) << item;
  }
}

TEST(NegativeSampler, FindsNoneForAUserWhoKnowsEverything) {
  const std::vector<std::vector<data::ItemIndex>> taken = {{0, 1}, {1}};
  const auto own = spans(taken);
  TrainingThreads threads(1);
  std::vector<std::int32_t> negatives;
  NegativeSampler(own, 2, 0.5).draw(interactions_of(own), 1, 1, threads, negatives);
  EXPECT_EQ(negatives, (std::vector<std::int32_t>{-1, -1, 0}));
}

TEST(InteractionEpochs, TakesEachInteractionOnceInAnOrderOfItsKey) {
  const std::vector<std::vector<data::ItemIndex>> taken = {{0, 1, 2}, {}, {4, 3}, {1, 2, 3, 4, 0}};
  const auto own = spans(taken);
  InteractionEpochs epochs(own, 4);
  const FitContext context{.clock = kClock};
  std::vector<std::vector<std::pair<int, int>>> orders;
  std::vector<std::size_t> sizes;
  for (const std::uint64_t key : {1, 2, 1}) {
    orders.emplace_back();
    const auto loss = epochs.run(1, key, context, [&](auto batch, std::uint64_t) {
      sizes.push_back(batch.size());
      for (const Interaction& each : batch) orders.back().emplace_back(each.user, each.item);
      return static_cast<double>(batch.size());  // as the mean of its batch
    });
    ASSERT_TRUE(loss);
    EXPECT_NEAR(*loss, (3 * 3 + 3 * 3 + 4 * 4) / 10.0, 1e-12);
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{3, 3, 4, 3, 3, 4, 3, 3, 4}));
  EXPECT_EQ(orders[0], orders[2]);
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_EQ(std::set(orders[0].begin(), orders[0].end()).size(), 10u);
}

TEST(InteractionEpochs, StopsBetweenSteps) {
  const std::vector<std::vector<data::ItemIndex>> taken = {{0, 1, 2}};
  std::stop_source stop;
  const FitContext context{.clock = kClock, .stop_token = stop.get_token()};
  int steps = 0;
  InteractionEpochs epochs(spans(taken), 1);
  const auto loss = epochs.run(3, 1, context, [&](auto, std::uint64_t) {
    stop.request_stop();
    ++steps;
    return 0.0;
  });
  ASSERT_FALSE(loss);
  EXPECT_EQ(loss.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(steps, 1);
}

}  // namespace
}  // namespace rapport::retrieval
