#include "rapport/retrieval/linear_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "rapport/retrieval/ease.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/ridge.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Item 0 says 1 of item 1 and -2 of item 2; item 2 says 4 of item 1; item 1 nothing.
SparseMatrix three_items() {
  return {.columns = 3, .offsets = {0, 2, 2, 3}, .indices = {1, 2, 1}, .values = {1, -2, 4}};
}

std::vector<float> scores_of(const Retriever& model, std::vector<data::ItemIndex> history) {
  const Query query{.history = history};
  std::vector<float> scores(static_cast<std::size_t>(model.items()), 7.0f);
  EXPECT_TRUE(model.score({&query, 1}, scores));
  return scores;
}

TEST(Ease, AddsTheRowsOfAllThatWasTaken) {
  const Ease model(three_items());
  EXPECT_THAT(scores_of(model, {0, 2}), ElementsAre(0, 5, -2));
  EXPECT_THAT(scores_of(model, {2, 1, 0}), ElementsAre(0, 5, -2)) << "the order says nothing";
  EXPECT_THAT(scores_of(model, {}), ElementsAre(0, 0, 0));
}

TEST(Ridge, WeighsOlderItemsLessAndForgetsTheOldest) {
  EXPECT_THAT(scores_of(Ridge(three_items(), {.decay = 0.5}), {0, 1, 2}),
              ElementsAre(0, 4 + 0.25f, -0.5f));
  EXPECT_THAT(scores_of(Ridge(three_items(), {.decay = 0.5}), {2, 0}), ElementsAre(0, 3, -2));
  EXPECT_THAT(scores_of(Ridge(three_items(), {.decay = 0.5, .history = 2}), {0, 1, 2}),
              ElementsAre(0, 4, 0));
}

TEST(LinearModel, ScoresEachOfABatchAsAlone) {
  const Ridge model(three_items(), {.decay = 0.5});
  const std::vector<data::ItemIndex> first = {0}, second = {2, 0};
  const std::vector<Query> queries = {{.history = first}, {}, {.history = second}};
  std::vector<float> scores(9, 7.0f);
  ASSERT_TRUE(model.score(queries, scores));
  EXPECT_THAT(scores, ElementsAre(0, 1, -2, 0, 0, 0, 0, 3, -2));
}

class LinearModelDirectory : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Retriever>> through_a_directory(std::unique_ptr<Retriever> model) {
    Fit fit;
    fit.model = std::move(model);
    EXPECT_TRUE(save_model(fit, dataset_, folder_.path() / "model"));
    return load_retriever(folder_.path() / "model", dataset_);
  }

  const data::Dataset dataset_ = rapport::testing::random_dataset(10, 3, 1);
  rapport::testing::TemporaryDirectory folder_;
};

TEST_F(LinearModelDirectory, GivesBackWhatWasSaved) {
  const auto ease = through_a_directory(std::make_unique<Ease>(three_items()));
  ASSERT_TRUE(ease) << ease.error().message;
  EXPECT_EQ((*ease)->kind(), "ease");
  EXPECT_EQ(scores_of(**ease, {0, 2}), scores_of(Ease(three_items()), {0, 2}));
  const LinearReading reading{.decay = 0.7, .history = 2};
  const auto ridge = through_a_directory(std::make_unique<Ridge>(three_items(), reading));
  ASSERT_TRUE(ridge) << ridge.error().message;
  EXPECT_EQ((*ridge)->kind(), "ridge");
  EXPECT_EQ(scores_of(**ridge, {0, 2, 1}), scores_of(Ridge(three_items(), reading), {0, 2, 1}));
}

TEST_F(LinearModelDirectory, RefusesOptionsThatCannotBe) {
  const std::filesystem::path path = folder_.path() / "weights.safetensors";
  base::SafetensorsWriter writer;
  Ease(three_items()).save(writer);
  ASSERT_TRUE(writer.write(path));
  const base::Safetensors file = base::Safetensors::open(path).value();
  const Json sound = {{"items", 3}, {"decay", 0.5}, {"history", 50}};
  EXPECT_TRUE(Ridge::load(sound, file));
  struct Case {
    const char* key;
    Json value;
  };
  for (const Case& c :
       {Case{"items", 0}, Case{"items", 2}, Case{"items", 4}, Case{"items", -3},
        Case{"items", 5'000'000'000}, Case{"items", "3"}, Case{"decay", 0}, Case{"decay", 1.5},
        Case{"decay", nullptr}, Case{"history", -1}, Case{"history", 0.5}}) {
    Json options = sound;
    options[c.key] = c.value;
    const auto loaded = Ridge::load(options, file);
    ASSERT_FALSE(loaded) << options.dump();
    EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt) << options.dump();
    EXPECT_FALSE(Ease::load(options, file)) << options.dump();
  }
  EXPECT_FALSE(Ridge::load(Json::array(), file));
}

TEST(RidgeOptions, ReadTextOnlyWhereThereIsSome) {
  const auto dataset = rapport::testing::random_dataset(10, 5, 1);  // no titles
  const auto asked = read_options<RidgeOptions>(dataset, {{"alpha", "5"}});
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(asked.error().param, "alpha");
  EXPECT_THAT(asked.error().message, HasSubstr("titles"));
  EXPECT_EQ(read_options<RidgeOptions>(dataset, {}).value().alpha, 0);
  EXPECT_EQ(read_options<RidgeOptions>(dataset, {{"alpha", "0"}}).value().alpha, 0);
}

}  // namespace
}  // namespace rapport::retrieval
