// Trains for real.
#include <gmock/gmock.h>

#include <cstdlib>

#include "curator_fixture.h"
#include "rapport/retrieval/registry.h"
#include "testing/model_files.h"

namespace rapport::engine {
namespace {

TEST_F(CuratorTest, ATrainingIsSwappedInWhileRequestsAreServed) {
  if (!retrieval::training_is_built()) GTEST_SKIP() << "this build has no training";
  write_demo();
  Curator keeper = curator({.train_threads = 0});
  keeper.start();
  ASSERT_TRUE(run(keeper, kPrepareDatasetJob));
  EXPECT_FALSE(slot_.get()->has_model());
  RecommendationRequest request;
  request.history = std::vector<std::string>{"2", "7"};
  EXPECT_EQ(listed(request).model, "popularity");

  const auto trained = run(keeper, kTrainRetrieverJob);
  ASSERT_TRUE(trained) << trained.error().message;
  EXPECT_GT(progress_, 0);
  EXPECT_TRUE(slot_.get()->has_model());
  EXPECT_EQ(listed(request).model, "sasrec");
  EXPECT_EQ(listed(request).ranker, "") << "it is still to be learned";

  const auto learned = run(keeper, kTrainRankerJob);
  ASSERT_TRUE(learned) << learned.error().message;
  EXPECT_EQ(listed(request).model, "sasrec");
  EXPECT_EQ(listed(request).ranker, "xgboost");
  for (const char* kind : {"ridge", "ease"})
    EXPECT_TRUE(std::filesystem::exists(home_.path() / "retrievers" / "ml-100k" / kind)) << kind;

  // The next start finds them and queues nothing.
  slot_.put(nullptr);
  const std::size_t before = jobs().size();
  curator({}).start();
  EXPECT_TRUE(slot_.get()->has_model());
  EXPECT_NE(slot_.get()->ranking(), nullptr);
  EXPECT_EQ(jobs().size(), before);
  curator({.ranking = "none"}).start();
  EXPECT_EQ(slot_.get()->ranking(), nullptr);

  // One of other models is another one.
  curator({.beside = {"ease"}}).start();
  EXPECT_EQ(slot_.get()->ranking(), nullptr);
  EXPECT_EQ(jobs().size(), before + 1);
  // And its own can be named.
  const auto own = home_.path() / "rankers" / "ml-100k" / "sasrec+ridge+ease";
  curator({.ranking = own.string()}).start();
  EXPECT_NE(slot_.get()->ranking(), nullptr);

  // A retriever that was trained anew is another one: the ranker is learned again.
  std::filesystem::remove_all(home_.path() / "retrievers" / "ml-100k" / "ridge");
  Curator anew = curator({.train_threads = 0});
  anew.start();
  EXPECT_EQ(slot_.get()->ranking(), nullptr);
  EXPECT_NE(slot_.get()->why_no_ranking(), "");
  ASSERT_TRUE(run(anew, kTrainRankerJob)) << "of other models: nothing is to be done any more";
  const auto again = run(anew, kTrainRankerJob);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_NE(slot_.get()->ranking(), nullptr);
}

TEST_F(CuratorTest, ALanguageModelThatReadsItemsIsTunedBesideTheModelThatServes) {
  if (!retrieval::training_is_built()) GTEST_SKIP() << "this build has no training";
  std::filesystem::create_directories(home_.path() / "models");
  std::filesystem::create_symlink(std::filesystem::absolute(testing::smollm2_path()),
                                  home_.path() / "models" / "smollm2-135m-instruct-q8_0.gguf");
  ::setenv("RAPPORT_HOME", home_.path().c_str(), 1);
  write_demo();
  const RecommendOptions options{.train_threads = 0, .beside = {"ridge", "e4srec"}};
  Curator keeper = curator(options);
  keeper.start();
  ASSERT_TRUE(run(keeper, kPrepareDatasetJob));
  ASSERT_TRUE(run(keeper, kTrainRetrieverJob));
  const auto learned = run(keeper, kTrainRankerJob);
  ASSERT_TRUE(learned) << learned.error().message;
  RecommendationRequest request;
  request.history = std::vector<std::string>{"2", "7"};
  EXPECT_EQ(listed(request).ranker, "xgboost");
  EXPECT_TRUE(std::filesystem::exists(home_.path() / "retrievers" / "ml-100k" / "e4srec"));

  // Of a model without vectors of items nothing is queued, and the reason is told.
  const std::size_t before = jobs().size();
  std::filesystem::remove_all(home_.path() / "retrievers" / "ml-100k" / "e4srec");
  curator({.model = "ridge", .beside = {"e4srec"}}).start();
  EXPECT_TRUE(slot_.get()->has_model());
  EXPECT_EQ(jobs().size(), before);
  EXPECT_THAT(slot_.get()->why_no_ranking(), ::testing::HasSubstr("ridge has none"));
}

TEST_F(CuratorTest, ATrainingBeginsAnewWhereWhatIsLeftOfOneIsNoUse) {
  if (!retrieval::training_is_built()) GTEST_SKIP() << "this build has no training";
  write_demo();
  Curator keeper = curator({.train_threads = 0});
  keeper.start();
  ASSERT_TRUE(run(keeper, kPrepareDatasetJob));
  const auto checkpoint =
      home_.path() / "retrievers" / "ml-100k" /
      ("sasrec-" + slot_.get()->dataset()->checksum().substr(0, 8) + ".checkpoint");
  std::filesystem::create_directories(checkpoint);
  std::ofstream(checkpoint / "training.safetensors") << "of a disk that was full";

  const auto trained = run(keeper, kTrainRetrieverJob);
  ASSERT_TRUE(trained) << trained.error().message;
  EXPECT_TRUE(slot_.get()->has_model());
  EXPECT_FALSE(std::filesystem::exists(checkpoint));
}

}  // namespace
}  // namespace rapport::engine
