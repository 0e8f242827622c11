// What a model must not know: the items that it is tested on, and the numbers of items, which in
// the published files follow the users' order (tests/data/shared_data_test.cpp shows what that is
// worth).
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/registry.h"
#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kItems = 40;
const base::SystemClock kClock;

using Histories = std::vector<std::vector<data::ItemIndex>>;

/// Walks along a circle with leaps, each item once.
Histories walks() {
  std::mt19937 random(5);
  Histories histories(80);
  for (auto& history : histories) {
    auto at = static_cast<data::ItemIndex>(random() % kItems);
    while (history.size() < 9) {
      if (std::ranges::find(history, at) == history.end()) history.push_back(at);
      at = static_cast<data::ItemIndex>((at + 1 + static_cast<int>(random() % 3)) % kItems);
    }
  }
  return histories;
}

/// Few epochs, of the models that have any.
Fit fit_of(const RetrieverKind& kind, const data::Dataset& dataset) {
  Assignments assignments;
  for (const Json& option : kind.options()) {
    if (option["key"] == "epochs") assignments.emplace_back("epochs", "2");
  }
  auto fit = fit_retriever(kind.name, dataset, assignments, {.clock = kClock});
  EXPECT_TRUE(fit) << kind.name << ": " << fit.error().message;
  return *std::move(fit);
}

std::vector<float> scores_of(const Retriever& model, std::span<const data::ItemIndex> history) {
  const Query query{.user = 0, .history = history};
  std::vector<float> scores(static_cast<std::size_t>(model.items()));
  EXPECT_TRUE(model.score({&query, 1}, scores));
  return scores;
}

/// Every kind that is fitted to data alone; the rest is made of trained ones.
std::vector<const RetrieverKind*> fitted_kinds() {
  std::vector<const RetrieverKind*> kinds;
  for (const RetrieverKind& kind : retriever_kinds()) {
    if (kind.made_of.empty()) kinds.push_back(&kind);
  }
  return kinds;
}

TEST(Leaks, NoModelLearnsFromTheItemsThatItIsTestedOn) {
  const Histories histories = walks();
  Histories others = histories;
  for (auto& history : others) {
    while (std::ranges::count(history, history.back()) > 1 ||
           std::ranges::equal(history, histories[static_cast<std::size_t>(&history - &others[0])]))
      history.back() = (history.back() + 7) % kItems;
  }
  const data::Dataset one = rapport::testing::made_up_dataset(histories, kItems);
  const data::Dataset other = rapport::testing::made_up_dataset(others, kItems);
  for (const RetrieverKind* const kind : fitted_kinds()) {
    const Fit a = fit_of(*kind, one), b = fit_of(*kind, other);
    const auto history = std::span(histories[0]).first(histories[0].size() - 1);
    EXPECT_EQ(scores_of(*a.model, history), scores_of(*b.model, history)) << kind->name;
  }
}

/// Models that leave nothing to chance give an item the same score under another number.
TEST(Leaks, TheNumberOfAnItemSaysNothing) {
  const Histories histories = walks();
  std::vector<data::ItemIndex> renumbered(kItems);
  std::iota(renumbered.begin(), renumbered.end(), 0);
  std::ranges::shuffle(renumbered, std::mt19937(3));
  Histories others = histories;
  for (auto& history : others) {
    for (auto& item : history) item = renumbered[static_cast<std::size_t>(item)];
  }
  const data::Dataset one = rapport::testing::made_up_dataset(histories, kItems);
  const data::Dataset other = rapport::testing::made_up_dataset(others, kItems);
  for (const char* const name : {"popularity", "ease", "ridge"}) {
    const RetrieverKind& kind = *find_retriever_kind(name).value();
    const Fit a = fit_of(kind, one), b = fit_of(kind, other);
    const auto scores = scores_of(*a.model, std::span(histories[0]).first(6));
    const auto again = scores_of(*b.model, std::span(others[0]).first(6));
    for (std::size_t item = 0; item < kItems; ++item)
      EXPECT_NEAR(scores[item], again[static_cast<std::size_t>(renumbered[item])], 1e-4) << name;
  }
}

}  // namespace
}  // namespace rapport::retrieval
