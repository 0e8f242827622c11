#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "rapport/base/random.h"
#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/registry.h"
#include "resume_testing.h"
#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

const base::SystemClock kClock;
const Assignments kSmall = {
    {"dimension", "8"}, {"epochs", "10"}, {"learning_rate", "0.1"}, {"popular_negatives", "0"}};
constexpr const char* kKinds[] = {"bprmf", "fpmc", "lightgcn", "ncf"};

/// Users 4 k + g take eight of the ten items of group g, in an order of their own.
data::Dataset groups() {
  base::SplitMix64 random(1);
  std::vector<std::vector<data::ItemIndex>> histories;
  for (data::ItemIndex user = 0; user < 120; ++user) {
    std::vector<data::ItemIndex> history;
    while (history.size() < 8) {
      const auto item = static_cast<data::ItemIndex>(random.next() % 10) + 10 * (user % 4);
      if (std::ranges::count(history, item) == 0) history.push_back(item);
    }
    histories.push_back(std::move(history));
  }
  return rapport::testing::made_up_dataset(histories, 40);
}

/// Everybody walks the circle of items, from a place of their own.
data::Dataset circle() {
  std::vector<std::vector<data::ItemIndex>> histories;
  for (int user = 0; user < 120; ++user) {
    std::vector<data::ItemIndex> history;
    for (int i = 0; i < 8; ++i) history.push_back((7 * user + i) % 40);
    histories.push_back(std::move(history));
  }
  return rapport::testing::made_up_dataset(histories, 40);
}

double hit_rate(const data::Dataset& dataset, const Retriever& model, std::int64_t k) {
  const auto ranking = evaluation::rank_held_out(
      dataset, [&](auto queries, auto scores) { return model.score(queries, scores); }, {});
  EXPECT_TRUE(ranking);
  return ranking ? ranking->metrics().mean(evaluation::hit_rate_at(k)) : 0;
}

std::vector<float> scores_of(const data::Dataset& dataset, const Retriever& model) {
  std::vector<Query> queries;
  for (data::UserIndex user = 0; user < dataset.users(); ++user)
    queries.push_back({.user = user, .history = dataset.history(user)});
  std::vector<float> scores(queries.size() * static_cast<std::size_t>(model.items()));
  EXPECT_TRUE(model.score(queries, scores));
  return scores;
}

TEST(FitFactors, LearnsWhatSomebodyLikesWhoTookTheSame) {
  const data::Dataset dataset = groups();
  struct Case {
    const char* kind;
    Assignments assignments;
  };
  for (const Case& c : {Case{"bprmf", {{"epochs", "60"}, {"learning_rate", "0.1"}}},
                        Case{"lightgcn", {{"epochs", "20"}, {"learning_rate", "0.05"}}},
                        Case{"ncf", {{"epochs", "60"}, {"learning_rate", "0.02"}}}}) {
    Assignments assignments = c.assignments;
    assignments.insert(assignments.end(), {{"dimension", "8"}, {"popular_negatives", "0"}});
    const auto fit = fit_retriever(c.kind, dataset, assignments, {.clock = kClock});
    ASSERT_TRUE(fit) << fit.error().message;
    // Three items of the group are left, of 33 that a user has not seen: at random, 1 in 11.
    EXPECT_GT(hit_rate(dataset, *fit->model, 3), 0.9) << c.kind;
  }
}

TEST(FitFpmc, LearnsWhatComesNext) {
  const data::Dataset dataset = circle();
  Assignments assignments = kSmall;
  assignments[1].second = "100";
  const auto fit = fit_retriever("fpmc", dataset, assignments, {.clock = kClock});
  ASSERT_TRUE(fit) << fit.error().message;
  EXPECT_GT(hit_rate(dataset, *fit->model, 1), 0.9);
}

TEST(FitFactors, GivesTheSameWeightsForTheSameSeedWhateverTheThreads) {
  const data::Dataset dataset = groups();
  for (const char* kind : kKinds) {
    const auto one = fit_retriever(kind, dataset, kSmall, {.clock = kClock, .threads = 1});
    const auto three = fit_retriever(kind, dataset, kSmall, {.clock = kClock, .threads = 3});
    const auto other = fit_retriever(kind, dataset, kSmall, {.clock = kClock, .seed = 2});
    ASSERT_TRUE(one && three && other) << kind;
    EXPECT_EQ(scores_of(dataset, *one->model), scores_of(dataset, *three->model)) << kind;
    EXPECT_NE(scores_of(dataset, *one->model), scores_of(dataset, *other->model)) << kind;
  }
}

TEST(FitFactors, ResumesToTheSameWeights) {
  const data::Dataset dataset = groups();
  for (const char* kind : kKinds) {
    const auto whole = fit_retriever(kind, dataset, kSmall, {.clock = kClock});
    ASSERT_TRUE(whole);
    const auto resumed = stopped_and_resumed(kClock, 4, [&](const FitContext& context) {
      return fit_retriever(kind, dataset, kSmall, context);
    });
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_EQ(scores_of(dataset, *whole->model), scores_of(dataset, *resumed->model)) << kind;
    EXPECT_EQ(whole->report["validation"], resumed->report["validation"]);
    EXPECT_EQ(resumed->report["curve"].size(), 10u);
  }
}

TEST(FitFactors, SaysWhenThereIsNothingToLearnFrom) {
  struct Case {
    const char* kind;
    std::vector<std::vector<data::ItemIndex>> histories;
    std::int64_t items;
    const char* says;
  };
  for (const Case& c : {Case{"bprmf", {{0, 1}, {2}}, 3, "three interactions"},
                        Case{"fpmc", {{0, 1, 2}, {2, 1}}, 3, "four interactions"},
                        Case{"bprmf", {{0, 1, 0, 1}}, 2, "every item"},
                        Case{"lightgcn", {{0, 1}, {2}}, 3, "three interactions"},
                        Case{"ncf", {{0, 1}, {2}}, 3, "three interactions"}}) {
    const auto fit = fit_retriever(c.kind, rapport::testing::made_up_dataset(c.histories, c.items),
                                   {}, {.clock = kClock});
    ASSERT_FALSE(fit) << c.kind;
    EXPECT_EQ(fit.error().code, ErrorCode::kInvalidArgument) << fit.error().message;
    EXPECT_EQ(fit.error().param, "data");
    EXPECT_THAT(fit.error().message, HasSubstr(c.says));
  }
}

TEST(FitFactors, SaysWhenTheLearningRateIsTooHigh) {
  Assignments assignments = kSmall;
  assignments[2].second = "10";
  assignments.emplace_back("regularisation", "1");
  for (const char* kind : {"bprmf", "fpmc"}) {
    const auto fit = fit_retriever(kind, groups(), assignments, {.clock = kClock});
    ASSERT_FALSE(fit) << kind;
    EXPECT_EQ(fit.error().code, ErrorCode::kInternal);
    EXPECT_THAT(fit.error().message, HasSubstr("lower learning_rate"));
  }
}

TEST(FitFactors, FillsInTheRecipeOfTheData) {
  for (const char* kind : kKinds) {
    const auto options_of = [&](Assignments assignments) {
      assignments.emplace_back("epochs", "1");
      return fit_retriever(kind, groups(), assignments, {.clock = kClock}).value().options;
    };
    const Json sparse = options_of({});
    EXPECT_EQ(sparse["recipe"], "sparse") << kind;
    const Json dense = options_of({{"recipe", "dense"}});
    EXPECT_NE(sparse["regularisation"], dense["regularisation"]) << kind;
    EXPECT_EQ(options_of({{"regularisation", "0.5"}})["regularisation"], 0.5) << kind;
  }
}

}  // namespace
}  // namespace rapport::retrieval
