#include <gtest/gtest.h>

#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/registry.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

const base::SystemClock kClock;
/// As many positions as the circle's training histories have: those beyond would stay as they
/// began.
const Assignments kSmall = {{"dimension", "16"},        {"inner", "32"}, {"max_length", "6"},
                            {"dropout", "0.1"},         {"epochs", "6"}, {"batch_positions", "60"},
                            {"learning_rate", "0.005"}, {"heads", "2"}};

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

std::vector<float> scores_of(const Retriever& model) {
  const std::vector<data::ItemIndex> history = {3, 4, 5};
  const Query query{.history = history};
  std::vector<float> scores(static_cast<std::size_t>(model.items()));
  EXPECT_TRUE(model.score({&query, 1}, scores));
  return scores;
}

TEST(FitBert4rec, LearnsWhatComesNext) {
  const data::Dataset dataset = circle();
  Assignments assignments = kSmall;
  assignments[4].second = "60";
  const auto fit = fit_retriever("bert4rec", dataset, assignments, {.clock = kClock});
  ASSERT_TRUE(fit) << fit.error().message;
  const auto ranking = evaluation::rank_held_out(
      dataset, [&](auto queries, auto scores) { return fit->model->score(queries, scores); }, {});
  ASSERT_TRUE(ranking);
  EXPECT_GT(ranking->metrics().mean(evaluation::hit_rate_at(1)), 0.95);
  EXPECT_GT(fit->report["validation"]["ndcg@10"].get<double>(), 0.95);
}

TEST(FitBert4rec, GivesTheSameWeightsForTheSameSeedWhateverTheThreads) {
  const data::Dataset dataset = circle();
  const auto one = fit_retriever("bert4rec", dataset, kSmall, {.clock = kClock, .threads = 1});
  const auto three = fit_retriever("bert4rec", dataset, kSmall, {.clock = kClock, .threads = 3});
  const auto other = fit_retriever("bert4rec", dataset, kSmall, {.clock = kClock, .seed = 2});
  ASSERT_TRUE(one && three && other);
  EXPECT_EQ(scores_of(*one->model), scores_of(*three->model));
  EXPECT_NE(scores_of(*one->model), scores_of(*other->model));
}

TEST(FitBert4rec, ResumesToTheSameWeights) {
  const data::Dataset dataset = circle();
  const auto whole = fit_retriever("bert4rec", dataset, kSmall, {.clock = kClock});
  ASSERT_TRUE(whole);

  const rapport::testing::TemporaryDirectory folder;
  std::stop_source stop;
  FitContext context{.clock = kClock,
                     .checkpoint = folder.path() / "checkpoint",
                     .resume = true,
                     .on_progress =
                         [&](const FitProgress& progress) {
                           if (progress.epoch == 3) stop.request_stop();
                         },
                     .stop_token = stop.get_token()};
  const auto stopped = fit_retriever("bert4rec", dataset, kSmall, context);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  context.stop_token = {};
  const auto resumed = fit_retriever("bert4rec", dataset, kSmall, context);
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(scores_of(*whole->model), scores_of(*resumed->model));
  EXPECT_EQ(whole->report["validation"], resumed->report["validation"]);
}

}  // namespace
}  // namespace rapport::retrieval
