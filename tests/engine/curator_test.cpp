#include "rapport/engine/curator.h"

#include <gmock/gmock.h>

#include "curator_fixture.h"
#include "rapport/retrieval/model_directory.h"

namespace rapport::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(CuratorTest, WithoutADataSetNothingIsServedAndNothingIsMade) {
  curator({}).start();
  EXPECT_EQ(slot_.get(), nullptr);
  curator({.dataset = "missing"}).start();
  EXPECT_EQ(slot_.get(), nullptr);
  EXPECT_THAT(jobs(), IsEmpty());
}

TEST_F(CuratorTest, PopularityServesUntilAModelIsThere) {
  save_films();
  curator({.dataset = "films", .train = false}).start();
  const auto served = slot_.get();
  ASSERT_NE(served, nullptr);
  EXPECT_FALSE(served->has_model());
  EXPECT_EQ(served->model().kind(), "popularity");
  EXPECT_NE(served->why_no_model(), "");
  EXPECT_THAT(jobs(), IsEmpty());
  curator({.dataset = dataset("films").string(), .model = "popularity"}).start();
  EXPECT_EQ(slot_.get()->why_no_model(), "recommend.model is popularity");
}

TEST_F(CuratorTest, AMissingModelIsTrainedByOneJobHoweverOftenTheServerStarts) {
  if (!retrieval::training_is_built()) GTEST_SKIP() << "this build has no training";
  save_films();
  for (int start = 0; start < 3; ++start) curator({.dataset = "films"}).start();
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs().front().kind, kTrainRetrieverJob);
  auto claimed = **store_->claim_job({kTrainRetrieverJob}, std::chrono::seconds(60));
  claimed.status = store::JobStatus::kFailed;
  ASSERT_TRUE(store_->update_job(claimed));
  curator({.dataset = "films"}).start();
  EXPECT_EQ(jobs().size(), 2u) << "one that failed is tried anew at the next start";
}

TEST_F(CuratorTest, WithoutTrainingSupportItSaysSo) {
  if (retrieval::training_is_built()) GTEST_SKIP() << "this build can train";
  save_films();
  curator({.dataset = "films"}).start();
  EXPECT_THAT(slot_.get()->why_no_model(), HasSubstr("RAPPORT_TRAINING=OFF"));
  EXPECT_THAT(jobs(), IsEmpty());
}

TEST_F(CuratorTest, AModelThatCannotBeUsedIsRefusedWithTheReasonAndLeftAlone) {
  save_films();
  const std::filesystem::path model = home_.path() / "retrievers" / "films" / "sasrec";
  const auto served_because = [&]() -> std::string {
    curator({.dataset = "films"}).start();
    EXPECT_FALSE(slot_.get()->has_model());
    EXPECT_TRUE(std::filesystem::exists(model));
    EXPECT_THAT(jobs(), IsEmpty()) << "it may be somebody's";
    return slot_.get()->why_no_model();
  };
  std::filesystem::create_directories(model);
  std::ofstream(model / "model.json") << "{";
  EXPECT_THAT(served_because(), HasSubstr("model.json"));
  std::filesystem::remove_all(model);

  // One that was made for another catalogue.
  data::DatasetParts parts;
  parts.name = "others";
  parts.offsets = {0, 1};
  parts.sequence = {0};
  parts.catalogue = *data::Catalogue::create({testing::films().front(), testing::films().back()});
  data::Person person;
  person.id = "1";
  parts.people = *data::People::create({person});
  const auto others = data::Dataset::create(std::move(parts));
  ASSERT_TRUE(others) << others.error().message;
  const auto fit = retrieval::fit_retriever("popularity", *others, {}, {.clock = clock_});
  ASSERT_TRUE(fit) << fit.error().message;
  const auto saved = retrieval::save_model(*fit, *others, model);
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_THAT(served_because(), HasSubstr("catalogue"));
}

TEST_F(CuratorTest, AModelThatWasTrainedElsewhereServesWhenItIsThere) {
  save_films();
  const auto films = data::Dataset::open(dataset("films"));
  ASSERT_TRUE(films) << films.error().message;
  const auto fit = retrieval::fit_retriever("popularity", *films, {}, {.clock = clock_});
  ASSERT_TRUE(fit);
  std::filesystem::create_directories(home_.path() / "retrievers" / "films");
  ASSERT_TRUE(
      retrieval::save_model(*fit, *films, home_.path() / "retrievers" / "films" / "sasrec"));
  curator({.dataset = "films"}).start();
  EXPECT_TRUE(slot_.get()->has_model());
  EXPECT_THAT(jobs(), IsEmpty());
}

/// A ranker learns of what its retrievers have not: one that may have learned it is of no use.
TEST_F(CuratorTest, NoRankingIsLearnedOfAModelOfOtherInteractions) {
  save_films();
  const auto films = data::Dataset::open(dataset("films"));
  ASSERT_TRUE(films) << films.error().message;
  data::DatasetParts parts;
  parts.name = "films";
  parts.catalogue = films->catalogue();
  parts.people = films->people();
  parts.offsets = {0};
  for (data::UserIndex user = 0; user < films->users(); ++user) {
    const auto history = films->history(user);
    parts.sequence.insert(parts.sequence.end(), history.rbegin(), history.rend());
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
  }
  const auto others = data::Dataset::create(std::move(parts));
  ASSERT_TRUE(others) << others.error().message;
  const auto model = home_.path() / "retrievers" / "films" / "sasrec";
  const auto served_with = [&](const data::Dataset& learned_from) {
    const auto fit =
        retrieval::fit_retriever("fpmc", learned_from, {{"epochs", "1"}}, {.clock = clock_});
    EXPECT_TRUE(fit) << fit.error().message;
    std::filesystem::create_directories(model.parent_path());
    EXPECT_TRUE(retrieval::save_model(*fit, learned_from, model));
    curator({.dataset = "films", .beside = {}}).start();
    EXPECT_TRUE(slot_.get()->has_model());
    EXPECT_EQ(slot_.get()->ranking(), nullptr);
  };
  served_with(*others);
  EXPECT_THAT(jobs(), IsEmpty());
  served_with(*films);
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs().front().kind, kTrainRankerJob);
  EXPECT_THAT(slot_.get()->why_no_ranking(), HasSubstr("/v1/jobs"));
}

TEST_F(CuratorTest, TheDemoIsPreparedInTheBackgroundAndThenATrainingIsQueued) {
  write_demo();
  Curator keeper = curator({});
  keeper.start();
  keeper.start();
  EXPECT_EQ(slot_.get(), nullptr) << "the server does not wait for it";
  ASSERT_EQ(jobs().size(), 1u);
  const auto done = run(keeper, kPrepareDatasetJob);
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_NE(slot_.get(), nullptr);
  EXPECT_EQ(slot_.get()->name(), "ml-100k");
  EXPECT_EQ(slot_.get()->catalogue().size(), 12);
  EXPECT_TRUE(std::filesystem::exists(dataset("ml-100k")));
  const std::size_t trainings = retrieval::training_is_built() ? 1 : 0;
  EXPECT_EQ(jobs().size(), 1 + trainings);
  // The next start finds it.
  slot_.put(nullptr);
  curator({}).open();
  EXPECT_NE(slot_.get(), nullptr);
}

TEST_F(CuratorTest, ADamagedDemoIsToldByTheJob) {
  write_demo();
  std::ofstream(demo_ / "ml-100k.inter") << "user_id:token\titem_id:token\nonly one field\n";
  Curator keeper = curator({});
  keeper.start();
  const auto done = run(keeper, kPrepareDatasetJob);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("ml-100k.inter:2"));
  EXPECT_FALSE(std::filesystem::exists(dataset("ml-100k"))) << "nothing half-made";
}

}  // namespace
}  // namespace rapport::engine
