#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/fusion.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/popularity.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

const base::SystemClock kClock;

/// Half of the users walk the circle of items, the others take what everybody takes: one model is
/// good for the ones, another for the others.
data::Dataset walkers_and_followers() {
  std::vector<std::vector<data::ItemIndex>> histories;
  for (int user = 0; user < 80; ++user) {
    std::vector<data::ItemIndex> history;
    for (int i = 0; i < 8; ++i)
      history.push_back(user % 2 == 0 ? (7 * user + i) % 30 : 30 + (user * (i + 3) + i * i) % 12);
    histories.push_back(std::move(history));
  }
  return rapport::testing::made_up_dataset(histories, 42);
}

class FitFusion : public ::testing::Test {
 protected:
  /// Trained and saved; the directory.
  std::string trained(const std::string& kind, const data::Dataset& dataset,
                      const std::string& name, const Assignments& assignments = {}) const {
    const auto fit = fit_retriever(kind, dataset, assignments, {.clock = kClock});
    EXPECT_TRUE(fit) << fit.error().message;
    EXPECT_TRUE(save_model(*fit, dataset, folder_.file(name)));
    return folder_.file(name);
  }
  Result<Fit> fuse(const std::string& models, const data::Dataset& dataset,
                   std::int64_t threads = 2) const {
    return fit_retriever("fusion", dataset, {{"models", models}},
                         {.clock = kClock, .threads = threads});
  }

  const data::Dataset dataset_ = walkers_and_followers();
  const rapport::testing::TemporaryDirectory folder_;
};

TEST_F(FitFusion, IsBetterThanItsMembersAndSaysByHowMuch) {
  const std::string models = trained("popularity", dataset_, "popularity") + "," +
                             trained("ridge", dataset_, "ridge", {{"lambda", "1"}}) + "," +
                             trained("ease", dataset_, "ease", {{"lambda", "1"}});
  const auto fit = fuse(models, dataset_);
  ASSERT_TRUE(fit) << fit.error().message;
  const auto ndcg = [](const Json& figures) { return figures["ndcg@10"].get<double>(); };
  const double fused = ndcg(fit->report["validation"]);
  ASSERT_EQ(fit->report["members"].size(), 3u);
  double weights = 0;
  for (const Json& member : fit->report["members"]) {
    EXPECT_GE(fused, ndcg(member["validation"])) << member;
    weights += member["weight"].get<double>();
  }
  EXPECT_NEAR(weights, 1, 1e-9);
  EXPECT_EQ(fit->report["members"][1]["model"], "ridge");
  EXPECT_EQ(fit->report["members"][1]["kind"], "ridge");
  EXPECT_GE(fused, ndcg(fit->report["equal"]));
  EXPECT_LE(ndcg(fit->report["cross_fit"]), fused);
  EXPECT_EQ(fit->report["in_doubt"], 0) << "all items are in the pools";
  EXPECT_EQ(fit->options["models"], Json({"popularity", "ridge", "ease"}));
}

TEST_F(FitFusion, NeedsItsMembersDirectoriesNoMore) {
  const std::string a = trained("popularity", dataset_, "a");
  const std::string b = trained("ridge", dataset_, "b", {{"lambda", "1"}});
  const auto fit = fuse(a + "," + b, dataset_);
  ASSERT_TRUE(fit) << fit.error().message;
  ASSERT_TRUE(save_model(*fit, dataset_, folder_.file("fusion")));
  std::filesystem::remove_all(a);
  std::filesystem::remove_all(b);
  const auto loaded = load_retriever(folder_.file("fusion"), dataset_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto ranking = evaluation::rank_held_out(
      dataset_, [&](auto queries, auto scores) { return (*loaded)->score(queries, scores); },
      {.split = data::Split::kValidation});
  ASSERT_TRUE(ranking);
  EXPECT_EQ(ranking->metrics().mean(evaluation::ndcg_at(10)),
            fit->report["validation"]["ndcg@10"].get<double>());
}

TEST_F(FitFusion, LeavesOutAMemberThatHelpsNowhere) {
  Fit flat;
  flat.model = std::make_unique<Popularity>(
      std::vector<float>(static_cast<std::size_t>(dataset_.items()), 2.0f));
  ASSERT_TRUE(save_model(flat, dataset_, folder_.file("flat")));
  const auto fit = fuse(folder_.file("flat") + "," + trained("ridge", dataset_, "ridge"), dataset_);
  ASSERT_TRUE(fit) << fit.error().message;
  EXPECT_EQ(fit->report["members"][0]["weight"], 0);
  EXPECT_EQ(dynamic_cast<const Fusion&>(*fit->model).members().size(), 1u);
}

TEST_F(FitFusion, GivesTheSameWeightsWhateverTheThreads) {
  const std::string models =
      trained("popularity", dataset_, "a") + "," + trained("ridge", dataset_, "b");
  const auto one = fuse(models, dataset_, 1), three = fuse(models, dataset_, 3);
  ASSERT_TRUE(one && three);
  EXPECT_EQ(one->model->options(), three->model->options());
}

TEST_F(FitFusion, RefusesMembersThatDoNotGoTogetherAndSaysWhy) {
  const std::string a = trained("popularity", dataset_, "a");
  const std::string b = trained("ridge", dataset_, "b");
  const auto fusion = fuse(a + "," + b, dataset_);
  ASSERT_TRUE(fusion);
  ASSERT_TRUE(save_model(*fusion, dataset_, folder_.file("fusion")));
  const data::Dataset other = rapport::testing::random_dataset(30, 20, 1);
  const data::Dataset same_items = rapport::testing::random_dataset(30, 42, 1);
  struct Case {
    std::string models;
    ErrorCode code;
    const char* says;
  };
  for (const Case& c : {
           Case{a, ErrorCode::kInvalidArgument, "at least two"},
           Case{a + "," + a, ErrorCode::kInvalidArgument, "more than once"},
           Case{a + "," + folder_.file("none"), ErrorCode::kNotFound, "holds no model"},
           Case{a + "," + trained("popularity", other, "other"), ErrorCode::kConflict,
                "another catalogue"},
           Case{a + "," + trained("popularity", same_items, "same_items"), ErrorCode::kConflict,
                "other interactions"},
           Case{a + "," + folder_.file("fusion"), ErrorCode::kInvalidArgument,
                "name its members instead"},
       }) {
    const auto refused = fuse(c.models, dataset_);
    ASSERT_FALSE(refused) << c.says;
    EXPECT_EQ(refused.error().code, c.code) << refused.error().message;
    EXPECT_THAT(refused.error().message, HasSubstr(c.says));
  }
}

TEST_F(FitFusion, CanBeStopped) {
  const std::string models =
      trained("popularity", dataset_, "a") + "," + trained("ridge", dataset_, "b");
  for (const char* const stage : {"members' scores", "cross-fit"}) {
    std::stop_source stop;
    const auto stopped = fit_retriever("fusion", dataset_, {{"models", models}},
                                       {.clock = kClock,
                                        .on_progress =
                                            [&](const FitProgress& at) {
                                              if (at.stage == stage) stop.request_stop();
                                            },
                                        .stop_token = stop.get_token()});
    ASSERT_FALSE(stopped) << stage;
    EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled) << stage;
  }
}

}  // namespace
}  // namespace rapport::retrieval
