#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/registry.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

const base::SystemClock kClock;
const Assignments kSmall = {{"dimension", "16"}, {"max_length", "10"},
                            {"dropout", "0.2"},  {"batch_positions", "60"},
                            {"epochs", "6"},     {"learning_rate", "0.01"}};

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

TEST(FitSasrec, LearnsWhatComesNext) {
  Assignments assignments = kSmall;
  assignments[4].second = "40";
  const data::Dataset dataset = circle();
  const auto fit = fit_retriever("sasrec", dataset, assignments, {.clock = kClock});
  ASSERT_TRUE(fit) << fit.error().message;
  const auto ranking = evaluation::rank_held_out(
      dataset, [&](auto queries, auto scores) { return fit->model->score(queries, scores); }, {});
  ASSERT_TRUE(ranking);
  EXPECT_GT(ranking->metrics().mean(evaluation::hit_rate_at(1)), 0.95);
  EXPECT_GT(fit->report["validation"]["ndcg@10"].get<double>(), 0.95);
}

TEST(FitSasrec, GivesTheSameWeightsForTheSameSeedWhateverTheThreads) {
  const data::Dataset dataset = circle();
  const auto one = fit_retriever("sasrec", dataset, kSmall, {.clock = kClock, .threads = 1});
  const auto three = fit_retriever("sasrec", dataset, kSmall, {.clock = kClock, .threads = 3});
  const auto other = fit_retriever("sasrec", dataset, kSmall, {.clock = kClock, .seed = 2});
  ASSERT_TRUE(one && three && other);
  EXPECT_EQ(scores_of(*one->model), scores_of(*three->model));
  EXPECT_NE(scores_of(*one->model), scores_of(*other->model));
}

TEST(FitSasrec, ResumesToTheSameWeights) {
  const data::Dataset dataset = circle();
  const auto whole = fit_retriever("sasrec", dataset, kSmall, {.clock = kClock});
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
  const auto stopped = fit_retriever("sasrec", dataset, kSmall, context);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  context.stop_token = {};
  const auto resumed = fit_retriever("sasrec", dataset, kSmall, context);
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(scores_of(*whole->model), scores_of(*resumed->model));
  EXPECT_EQ(whole->report["validation"], resumed->report["validation"]);
}

TEST(TrainingLibrary, KnowsEveryModelThatNeedsIt) {
  const auto too_little = rapport::testing::made_up_dataset({{0, 1, 2}, {2, 1}}, 3);
  for (const RetrieverKind& kind : retriever_kinds()) {
    if (!kind.needs_libtorch) continue;
    const auto fit = fit_retriever(kind.name, too_little, {}, {.clock = kClock});
    EXPECT_TRUE(fit || fit.error().code == ErrorCode::kInvalidArgument) << kind.name;
  }
}

TEST(FitSasrec, SaysWhenThereIsNothingToLearnFrom) {
  const auto fit = fit_retriever(
      "sasrec", rapport::testing::made_up_dataset({{0, 1, 2}, {2, 1}}, 3), {}, {.clock = kClock});
  ASSERT_FALSE(fit);
  EXPECT_EQ(fit.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(fit.error().message, HasSubstr("four interactions"));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/// Never returns: trains what does not fit into 256 MiB more than the process has.
[[noreturn]] void train_with_little_memory(const data::Dataset& dataset) {
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const auto limit = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE) + (256 << 20));
  const rlimit memory = {.rlim_cur = limit, .rlim_max = limit};
  setrlimit(RLIMIT_AS, &memory);
  Assignments large = kSmall;
  large.front() = {"dimension", "4096"};
  const auto fit = fit_retriever("sasrec", dataset, large, {.clock = kClock, .threads = 2});
  if (fit) std::exit(1);
  fmt::print(stderr, "{}", fit.error().message);
  std::exit(fit.error().code == ErrorCode::kInternal ? 0 : 2);
}

TEST(FitSasrecDeathTest, SaysThatItDoesNotFitIntoMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const data::Dataset dataset = circle();
  ASSERT_TRUE(fit_retriever("sasrec", dataset, kSmall, {.clock = kClock}));  // loads the library
  EXPECT_EXIT(train_with_little_memory(dataset), ::testing::ExitedWithCode(0),
              "does not fit into memory.*lower dimension");
}
#endif

}  // namespace
}  // namespace rapport::retrieval
