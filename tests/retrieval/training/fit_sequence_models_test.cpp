// What holds of every model of sequences, with each loss that it is trained with.
#include <gtest/gtest.h>

#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/registry.h"
#include "resume_testing.h"
#include "sequence_model_testing.h"
#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

const base::SystemClock kClock;

struct Case {
  const char* kind;
  std::vector<const char*> losses;  // {""}: it has no such option
  Assignments own;                  // beside or instead of those that all have
  const char* epochs = "40";        // that it takes to learn

  Assignments with(const char* epochs_of_it, const std::string& loss) const {
    Assignments assignments = {{"dimension", "16"},       {"max_length", "10"},
                               {"dropout", "0.2"},        {"batch_positions", "60"},
                               {"learning_rate", "0.01"}, {"epochs", epochs_of_it}};
    assignments.insert(assignments.end(), own.begin(), own.end());
    if (!loss.empty()) assignments.emplace_back("loss", loss);
    return assignments;
  }
};

class FitSequenceModel : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Kinds, FitSequenceModel,
                         ::testing::Values(
                             // As many positions as the circle's training histories have: those
                             // beyond would stay as they began.
                             Case{"bert4rec",
                                  {""},
                                  {{"inner", "32"},
                                   {"heads", "2"},
                                   {"max_length", "6"},
                                   {"dropout", "0.1"},
                                   {"learning_rate", "0.005"}},
                                  "60"},
                             Case{"caser", {"ce", "bce"}, {{"window", "4"}, {"dropout", "0.1"}}},
                             Case{"gru4rec",
                                  {"ce", "bce", "bpr", "top1", "bpr-max", "gbce", "sampled-ce"},
                                  {{"hidden", "24"}}},
                             Case{"sasrec", {"ce", "gbce", "sampled-ce"}, {}}),
                         [](const auto& test) { return std::string(test.param.kind); });

/// Everybody walks the circle of items, from a place of their own.
data::Dataset circle() {
  std::vector<std::vector<data::ItemIndex>> histories;
  for (int user = 0; user < 60; ++user) {
    std::vector<data::ItemIndex> history;
    for (int i = 0; i < 8; ++i) history.push_back((7 * user + i) % 20);
    histories.push_back(std::move(history));
  }
  return rapport::testing::made_up_dataset(histories, 20);
}

TEST_P(FitSequenceModel, LearnsWhatComesNextWithEveryLoss) {
  const data::Dataset dataset = circle();
  for (const char* const loss : GetParam().losses) {
    const auto fit = fit_retriever(GetParam().kind, dataset,
                                   GetParam().with(GetParam().epochs, loss), {.clock = kClock});
    ASSERT_TRUE(fit) << fit.error().message;
    const auto ranking = evaluation::rank_held_out(
        dataset, [&](auto queries, auto scores) { return fit->model->score(queries, scores); }, {});
    ASSERT_TRUE(ranking);
    EXPECT_GT(ranking->metrics().mean(evaluation::hit_rate_at(1)), 0.95) << loss;
    EXPECT_GT(fit->report["validation"]["ndcg@10"].get<double>(), 0.95) << loss;
  }
}

TEST_P(FitSequenceModel, GivesTheSameWeightsForTheSameSeedWhateverTheThreads) {
  const data::Dataset dataset = circle();
  const Assignments small = GetParam().with("6", GetParam().losses.front());
  const auto fit = [&](const FitContext& context) {
    return fit_retriever(GetParam().kind, dataset, small, context);
  };
  const auto one = fit({.clock = kClock, .threads = 1});
  const auto three = fit({.clock = kClock, .threads = 3});
  const auto other = fit({.clock = kClock, .seed = 2});
  ASSERT_TRUE(one && three && other);
  EXPECT_EQ(scores_of(*one->model, {3, 4, 5}), scores_of(*three->model, {3, 4, 5}));
  EXPECT_NE(scores_of(*one->model, {3, 4, 5}), scores_of(*other->model, {3, 4, 5}));
}

TEST_P(FitSequenceModel, ResumesToTheSameWeights) {
  const data::Dataset dataset = circle();
  // Negatives are left to chance as dropout is.
  const Assignments small = GetParam().with("6", GetParam().losses.back());
  const auto fit = [&](const FitContext& context) {
    return fit_retriever(GetParam().kind, dataset, small, context);
  };
  const auto whole = fit({.clock = kClock});
  ASSERT_TRUE(whole);
  const auto resumed = stopped_and_resumed(kClock, 3, fit);
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(scores_of(*whole->model, {3, 4, 5}), scores_of(*resumed->model, {3, 4, 5}));
  EXPECT_EQ(whole->report["validation"], resumed->report["validation"]);
}

}  // namespace
}  // namespace rapport::retrieval
