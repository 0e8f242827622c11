#include "rapport/retrieval/pairwise_sgd.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace rapport::retrieval {
namespace {

using Histories = std::vector<std::vector<data::ItemIndex>>;

/// Factors of their own memory, drawn by lot.
struct OwnedFactors {
  std::int64_t dimension;
  std::vector<float> user, item, bias, previous, next;

  OwnedFactors(std::int64_t users, std::int64_t items, std::int64_t d, bool transitions,
               std::uint64_t seed)
      : dimension(d) {
    base::SplitMix64 random(seed);
    const auto draw = [&](std::int64_t count) {
      std::vector<float> values(static_cast<std::size_t>(count));
      for (float& value : values) value = static_cast<float>(random.next() >> 40) * 0x1p-24f - 0.5f;
      return values;
    };
    user = draw(users * d);
    item = draw(items * d);
    bias = draw(items);
    if (transitions) {
      previous = draw(items * d);
      next = draw(items * d);
    }
  }
  PairwiseFactors view() {
    return {.dimension = dimension,
            .user = user.data(),
            .item = item.data(),
            .bias = bias.data(),
            .previous = previous.empty() ? nullptr : previous.data(),
            .next = next.empty() ? nullptr : next.data()};
  }
  bool operator==(const OwnedFactors&) const = default;

  double score(const PairwiseExample& example, data::ItemIndex scored) const {
    const auto d = static_cast<std::size_t>(dimension);
    const auto product = [&](const std::vector<float>& a, data::ItemIndex row,
                             const std::vector<float>& b) {
      double sum = 0;
      for (std::size_t i = 0; i < d && !a.empty(); ++i)
        sum += static_cast<double>(a[static_cast<std::size_t>(row) * d + i]) *
               static_cast<double>(b[static_cast<std::size_t>(scored) * d + i]);
      return sum;
    };
    return product(user, example.user, item) + product(previous, example.previous, next) +
           static_cast<double>(bias[static_cast<std::size_t>(scored)]);
  }
  /// What a step goes down on: the loss and half the regularised squares of the example's factors.
  double objective(const PairwiseExample& example, data::ItemIndex negative,
                   double regularisation) const {
    const auto d = static_cast<std::size_t>(dimension);
    double squares = 0;
    const auto add = [&](const std::vector<float>& rows, data::ItemIndex row, std::size_t width) {
      for (std::size_t i = 0; i < width && !rows.empty(); ++i)
        squares +=
            std::pow(static_cast<double>(rows[static_cast<std::size_t>(row) * width + i]), 2);
    };
    add(user, example.user, d);
    add(previous, example.previous, d);
    for (const data::ItemIndex each : {example.item, negative}) {
      add(item, each, d);
      add(next, each, d);
      add(bias, each, 1);
    }
    const double margin = score(example, example.item) - score(example, negative);
    return std::log1p(std::exp(-margin)) + regularisation / 2 * squares;
  }
};

/// The reference is the objective itself: the step must be its gradient, by central differences.
TEST(PairwiseStep, GoesDownTheGradientOfTheLossAndTouchesNothingElse) {
  rc::check([] {
    const bool transitions = *rc::gen::arbitrary<bool>();
    const auto d = *rc::gen::inRange<std::int64_t>(1, 40);
    const auto draw = [](int bound) { return *rc::gen::inRange(0, bound); };
    const PairwiseExample example{.user = draw(3), .item = draw(4), .previous = draw(4)};
    const data::ItemIndex negative = (example.item + 1 + draw(3)) % 4;
    const double regularisation = 0.1 * draw(5);
    const OwnedFactors before(3, 4, d, transitions, *rc::gen::arbitrary<std::uint64_t>());
    OwnedFactors after = before;
    const float rate = 0.25f;
    const float loss = pairwise_step(
        after.view(), example, negative,
        {.learning_rate = rate, .regularisation = static_cast<float>(regularisation)});
    RC_ASSERT(std::abs(static_cast<double>(loss) - before.objective(example, negative, 0)) < 1e-4);

    OwnedFactors moved = before;
    const auto expect_gradient = [&](std::vector<float> OwnedFactors::*place) {
      for (std::size_t i = 0; i < (before.*place).size(); ++i) {
        constexpr float kMove = 0x1p-7f;
        const auto objective_at = [&](float value) {
          (moved.*place)[i] = value;
          return moved.objective(example, negative, regularisation);
        };
        const float value = (before.*place)[i];
        const double slope = (objective_at(value + kMove) - objective_at(value - kMove)) /
                             (2 * static_cast<double>(kMove));
        (moved.*place)[i] = value;
        const double step = static_cast<double>((after.*place)[i] - value);
        RC_ASSERT(std::abs(step + static_cast<double>(rate) * slope) < 1e-4);
        if (slope == 0) RC_ASSERT((after.*place)[i] == value);
      }
    };
    expect_gradient(&OwnedFactors::user);
    expect_gradient(&OwnedFactors::item);
    expect_gradient(&OwnedFactors::bias);
    expect_gradient(&OwnedFactors::previous);
    expect_gradient(&OwnedFactors::next);
  });
}

KnownItems known_of(const Histories& histories) {
  return KnownItems(
      std::vector<std::span<const data::ItemIndex>>(histories.begin(), histories.end()));
}

Histories random_histories(std::int64_t users, std::int64_t items, std::size_t length) {
  base::SplitMix64 random(5);
  Histories histories;
  for (std::int64_t user = 0; user < users; ++user) {
    std::set<data::ItemIndex> history;
    while (history.size() < length)
      history.insert(
          static_cast<data::ItemIndex>(random.next() % static_cast<std::uint64_t>(items)));
    histories.emplace_back(history.begin(), history.end());
  }
  return histories;
}

std::vector<PairwiseExample> examples_of(const Histories& histories) {
  std::vector<PairwiseExample> examples;
  for (std::size_t user = 0; user < histories.size(); ++user) {
    for (std::size_t i = 0; i < histories[user].size(); ++i)
      examples.push_back({.user = static_cast<data::UserIndex>(user),
                          .item = histories[user][i],
                          .previous = histories[user][i > 0 ? i - 1 : 0]});
  }
  return examples;
}

TEST(KnownItems, HasWhatEachUserTookAndNothingElse) {
  const Histories histories = {{4, 1, 3}, {}, {0}};
  const KnownItems known = known_of(histories);
  for (data::UserIndex user = 0; user < 3; ++user) {
    const auto& history = histories[static_cast<std::size_t>(user)];
    for (data::ItemIndex item = 0; item < 5; ++item)
      EXPECT_EQ(known.contains(user, item), std::ranges::count(history, item) > 0)
          << user << " " << item;
  }
}

TEST(PairwiseSgd, GivesTheSameFactorsWhateverTheThreads) {
  const Histories histories = random_histories(200, 150, 12);
  for (const bool transitions : {false, true}) {
    std::vector<OwnedFactors> results;
    std::vector<double> losses;
    for (const std::int64_t threads : {1, 2, 5}) {
      TrainingThreads threads_of_fit(threads);
      OwnedFactors factors(200, 150, 8, transitions, 3);
      PairwiseSgd sgd(examples_of(histories), known_of(histories), 200, 150, transitions);
      for (const std::uint64_t key : {1u, 2u})
        losses.push_back(sgd.run_epoch(factors.view(), {}, key, threads_of_fit));
      results.push_back(factors);
    }
    EXPECT_EQ(results[0], results[1]) << transitions;
    EXPECT_EQ(results[0], results[2]) << transitions;
    EXPECT_EQ(losses[1], losses[3]);
    EXPECT_NE(losses[0], losses[1]);
  }
}

/// With one dimension of zeros and no regularisation, only biases move: by half the learning rate
/// at first, up for a positive and down for a negative. So the biases count what was drawn.
class Draws {
 public:
  Draws(const Histories& histories, std::int64_t items, float popular)
      : items_(items), histories_(histories), popular_(popular) {}

  /// How often each item was a negative of `user` in `epochs` epochs.
  std::vector<double> negatives(data::UserIndex user, int epochs) const {
    const auto users = static_cast<std::int64_t>(histories_.size());
    std::vector<double> counts(static_cast<std::size_t>(items_));
    PairwiseSgd sgd(examples_of(histories_), known_of(histories_), users, items_, false);
    TrainingThreads threads_of_fit(1);
    for (int epoch = 0; epoch < epochs; ++epoch) {
      OwnedFactors factors(users, items_, users, false, 1);
      std::ranges::fill(factors.item, 0.0f);
      std::ranges::fill(factors.bias, 0.0f);
      std::ranges::fill(factors.user, 0.0f);
      for (std::int64_t i = 0; i < users; ++i)
        factors.user[static_cast<std::size_t>(i * users + i)] = 1;
      // A user's own dimension of an item says how often that user moved it, and where to.
      constexpr float kRate = 1e-4f;
      sgd.run_epoch(factors.view(),
                    {.learning_rate = kRate, .regularisation = 0, .popular_negatives = popular_},
                    static_cast<std::uint64_t>(epoch), threads_of_fit);
      for (std::int64_t item = 0; item < items_; ++item) {
        const float moved = factors.item[static_cast<std::size_t>(item * users + user)];
        counts[static_cast<std::size_t>(item)] +=
            std::round(static_cast<double>(std::max(0.0f, -moved) * 2 / kRate));
      }
    }
    return counts;
  }

 private:
  std::int64_t items_;
  const Histories& histories_;
  float popular_;
};

TEST(PairwiseSgd, DrawsEveryItemThatAUserDoesNotKnowEquallyOftenAndNoneThatTheyKnow) {
  const Histories histories = random_histories(64, 64, 10);
  const auto counts = Draws(histories, 64, /*popular=*/0).negatives(7, 600);
  // 10 examples an epoch over 54 items.
  for (data::ItemIndex item = 0; item < 64; ++item) {
    const bool known = std::ranges::count(histories[7], item) > 0;
    EXPECT_NEAR(counts[static_cast<std::size_t>(item)], known ? 0 : 600 * 10 / 54.0, known ? 0 : 60)
        << item;
  }
}

TEST(PairwiseSgd, DrawsPopularNegativesAsOftenAsTheyAreTaken) {
  // Items 0 to 31 are taken by 3 of 4 users each, the others by 1 in 4.
  Histories histories;
  for (data::ItemIndex user = 0; user < 64; ++user) {
    histories.emplace_back();
    for (data::ItemIndex item = 0; item < 64; ++item)
      if ((item < 32) != ((item + user) % 4 == 0)) histories.back().push_back(item);
  }
  const auto counts = Draws(histories, 64, /*popular=*/1).negatives(5, 100);
  const double popular = std::accumulate(counts.begin(), counts.begin() + 32, 0.0) / 8;
  const double others = std::accumulate(counts.begin() + 32, counts.end(), 0.0) / 24;
  EXPECT_NEAR(popular / others, 3, 0.6);
}

TEST(PairwiseSgd, LeavesOutWhoKnowsEverything) {
  Histories histories = random_histories(40, 10, 3);
  histories[4] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  OwnedFactors factors(40, 10, 4, false, 1);
  const OwnedFactors before = factors;
  PairwiseSgd sgd(examples_of(histories), known_of(histories), 40, 10, false);
  TrainingThreads threads_of_fit(1);
  EXPECT_TRUE(std::isfinite(sgd.run_epoch(factors.view(), {}, 1, threads_of_fit)));
  EXPECT_TRUE(
      std::equal(factors.user.begin() + 16, factors.user.begin() + 20, before.user.begin() + 16));
  EXPECT_NE(factors.user, before.user);
}

}  // namespace
}  // namespace rapport::retrieval
