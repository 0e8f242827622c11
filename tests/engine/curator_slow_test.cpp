// Trains for real.
#include <gmock/gmock.h>

#include "curator_fixture.h"
#include "rapport/retrieval/registry.h"

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

  // The next start finds the model and queues nothing.
  slot_.put(nullptr);
  const std::size_t before = jobs().size();
  curator({}).start();
  EXPECT_TRUE(slot_.get()->has_model());
  EXPECT_EQ(jobs().size(), before);
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
