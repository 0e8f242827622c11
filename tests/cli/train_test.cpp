#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "rapport/base/files.h"
#include "rapport/retrieval/model_directory.h"
#include "run_command.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Train : public ::testing::Test {
 protected:
  Train() { EXPECT_TRUE(dataset_.save(data_)); }

  std::vector<std::string> train(std::vector<std::string> more) const {
    more.insert(more.begin(), {"--home", folder_.file("home"), "train"});
    return more;
  }
  Ran run(std::vector<std::string> more) const {
    return run_command({add_train}, train(std::move(more)));
  }

  const rapport::testing::TemporaryDirectory folder_;
  const data::Dataset dataset_ = rapport::testing::random_dataset(50, 20, 1);
  const std::string data_ = folder_.file("data");
  const std::string output_ = folder_.file("model");
};

/// Through the library that trains, and libtorch.
class TrainWithLibtorch : public Train {
 protected:
  void SetUp() override {
    if (!retrieval::training_is_built())
      GTEST_SKIP() << "built with -DRAPPORT_TRAINING=OFF: no model that needs libtorch is trained";
  }
};

TEST_F(Train, LeavesAModelThatLoads) {
  const Json done = run_for_json(
      {add_train}, train({"--data", data_, "--model", "popularity", "--output", output_}));
  EXPECT_EQ(done["model"], "popularity");
  EXPECT_EQ(done["seed"], 1);
  const auto model = retrieval::load_retriever(output_, dataset_);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->kind(), "popularity");
}

TEST_F(TrainWithLibtorch, TrainsSasrecWithItsOptionsAndSaysHowItGoes) {
  const Ran ran = run({"--data", data_, "--model", "sasrec", "--output", output_, "--seed", "7",
                       "--set", "epochs=2", "--set", "dimension=8"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err, AllOf(HasSubstr("epoch 2/2"), HasSubstr("validation NDCG@10")));
  EXPECT_THAT(ran.out, AllOf(HasSubstr("sasrec is in"), HasSubstr("rapport evaluate")));
  const Json description = retrieval::read_model_description(output_).value();
  EXPECT_EQ(description["options"]["dimension"], 8);
  EXPECT_EQ(description["seed"], 7);
  EXPECT_FALSE(std::filesystem::exists(output_ + ".checkpoint"));
  EXPECT_TRUE(retrieval::load_retriever(output_, dataset_));
}

TEST_F(TrainWithLibtorch, TellsTheStagesOfAFitInClosedForm) {
  const Ran ran = run({"--data", data_, "--model", "ease", "--output", output_});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err, AllOf(HasSubstr("stage 1/4  products"), HasSubstr("stage 4/4  validation")));
  EXPECT_THAT(ran.out, HasSubstr("ease is in " + output_ + ": validation NDCG@10 0."));
  EXPECT_TRUE(retrieval::load_retriever(output_, dataset_));
}

TEST_F(TrainWithLibtorch, TellsWhatEachMemberOfAFusionWeighs) {
  const std::string ease = folder_.file("ease"), popularity = folder_.file("popularity");
  ASSERT_EQ(run({"--data", data_, "--model", "ease", "--output", ease}).status, 0);
  ASSERT_EQ(run({"--data", data_, "--model", "popularity", "--output", popularity}).status, 0);
  const Ran ran = run({"--data", data_, "--model", "fusion", "--output", output_, "--set",
                       "models=" + ease + "," + popularity});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("× ease, alone 0."), HasSubstr("× popularity, alone 0.")));
  EXPECT_TRUE(retrieval::load_retriever(output_, dataset_));
}

TEST_F(Train, SaysThatABuildWithoutTrainingHasNone) {
  if (retrieval::training_is_built()) GTEST_SKIP() << "this build can train";
  const Ran ran = run({"--data", data_, "--model", "sasrec", "--output", output_});
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.err, HasSubstr("librapport_training.so"));
}

TEST_F(Train, ListsEveryModelWithItsOptions) {
  const Json list = run_for_json({add_train}, train({"--model", "list"}));
  ASSERT_EQ(list["models"].size(), retrieval::retriever_kinds().size());
  const auto sasrec = std::ranges::find_if(
      list["models"], [](const Json& model) { return model["model"] == "sasrec"; });
  ASSERT_NE(sasrec, list["models"].end());
  EXPECT_FALSE((*sasrec)["options"].empty());
  EXPECT_THAT(run({"--model", "list"}).out, HasSubstr("--set dropout="));
}

TEST_F(Train, RefusesBeforeAnythingTakesTime) {
  ASSERT_TRUE(base::ensure_directory(folder_.file("full")));
  ASSERT_TRUE(base::write_file_atomically(folder_.file("full") + "/letters", "dear"));
  struct Case {
    std::vector<std::string> more;
    const char* says;
  };
  const Case cases[] = {
      {{"--data", data_, "--model", "sasrek", "--output", output_}, "did you mean sasrec"},
      {{"--model", "popularity", "--output", output_}, "--data is missing"},
      {{"--data", data_, "--model", "popularity"}, "--output is missing"},
      {{"--data", folder_.file("none"), "--model", "popularity", "--output", output_}, "none"},
      {{"--data", data_, "--model", "popularity", "--output", folder_.file("full")},
       "is not a model"},
      {{"--data", data_, "--model", "sasrec", "--output", output_, "--set", "epochs"}, "KEY=VALUE"},
      {{"--data", data_, "--model", "sasrec", "--output", output_, "--set", "epoch=3"}, "epochs"},
  };
  for (const Case& c : cases) {
    const Ran ran = run(c.more);
    EXPECT_EQ(ran.status, 1) << c.says;
    EXPECT_THAT(ran.err, HasSubstr(c.says));
    EXPECT_FALSE(std::filesystem::exists(output_)) << c.says;
  }
  EXPECT_EQ(run({}).status, 2) << "--model is required";
}

}  // namespace
}  // namespace rapport::cli
