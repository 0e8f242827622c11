#include "rapport/retrieval/e4srec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/retrieval/item_embeddings.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/popularity.h"
#include "rapport/retrieval/sasrec.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"
#include "testing/tiny_llama.h"

namespace rapport::retrieval {
namespace {

using rapport::testing::made_up_dataset;
using ::testing::AllOf;
using ::testing::HasSubstr;

#ifdef RAPPORT_HAS_TUNING

constexpr std::int64_t kItems = 10;

/// Everybody goes through the items in their order, from somewhere on.
data::Dataset in_order(std::int64_t users) {
  std::vector<std::vector<data::ItemIndex>> histories;
  for (std::int64_t user = 0; user < users; ++user) {
    std::vector<data::ItemIndex> history;
    for (std::int64_t i = 0; i < 6 + user % 3; ++i)
      history.push_back(static_cast<data::ItemIndex>((user * 3 + i) % kItems));
    histories.push_back(history);
  }
  return made_up_dataset(histories, kItems);
}

class E4srecTest : public ::testing::Test {
 protected:
  E4srecTest() : dataset_(in_order(60)) {
    rapport::testing::write_tiny_llama(language_model());
    save_model(items(dataset_), "items");
  }

  std::string language_model() const { return folder_.file("tiny.gguf"); }
  std::string path(const std::string& name) const { return folder_.file(name); }
  void save_model(Fit fit, const std::string& name) const {
    ASSERT_TRUE(retrieval::save_model(fit, dataset_, path(name)));
  }
  /// A model with vectors of items that tell them apart.
  static Fit items(const data::Dataset& dataset) {
    const SasrecShape shape{.items = dataset.items(), .dimension = 16, .heads = 2, .max_length = 6};
    std::vector<float> weights(static_cast<std::size_t>(sasrec_weights(shape).total));
    for (std::int64_t item = 0; item < dataset.items(); ++item)
      weights[static_cast<std::size_t>(sasrec_weights(shape).item_embedding +
                                       item * shape.dimension + item)] = 1;
    Fit fit;
    fit.model = std::make_unique<Sasrec>(shape, std::move(weights));
    return fit;
  }
  Assignments options(Assignments more = {}) const {
    Assignments all = {{"items", path("items")}, {"language_model", language_model()},
                       {"epochs", "40"},         {"learning_rate", "0.01"},
                       {"batch_tokens", "60"},   {"max_length", "5"},
                       {"dropout", "0"}};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Result<Fit> fit(const Assignments& assignments) const {
    return fit_retriever("e4srec", dataset_, assignments, {.clock = clock_, .threads = 1});
  }
  static std::vector<float> scores(const Retriever& model,
                                   const std::vector<std::vector<data::ItemIndex>>& histories) {
    std::vector<Query> queries;
    for (const auto& history : histories) queries.push_back({.history = history});
    std::vector<float> found(queries.size() * kItems, 7);
    EXPECT_TRUE(model.score(queries, found));
    return found;
  }

  const rapport::testing::TemporaryDirectory folder_;
  const base::SystemClock clock_;
  const data::Dataset dataset_;
};

TEST_F(E4srecTest, LearnsWhatComesNextAndIsTheSameOnceReadBack) {
  std::vector<FitProgress> seen;
  const auto fitted = fit_retriever(
      "e4srec", dataset_, options(),
      {.clock = clock_,
       .threads = 1,
       .checkpoint = path("checkpoint"),
       .on_progress = [&](const FitProgress& progress) { seen.push_back(progress); }});
  ASSERT_TRUE(fitted) << fitted.error().message;
  ASSERT_FALSE(seen.empty());
  EXPECT_LT(seen.back().loss, 0.1);
  EXPECT_EQ(seen.back().done, 1);
  EXPECT_EQ(seen.back().unit, "step");
  const std::vector<std::vector<data::ItemIndex>> histories = {
      {1, 2, 3}, {7}, {}, {0, 1, 2, 3, 4, 5, 6, 7, 8}};
  const auto found = scores(*fitted->model, histories);
  for (const auto& [row, next] : {std::pair(0, 4), std::pair(1, 8), std::pair(3, 9)}) {
    const auto own = std::span(found).subspan(static_cast<std::size_t>(row) * kItems, kItems);
    EXPECT_EQ(std::ranges::max_element(own) - own.begin(), next) << row;
  }
  for (std::size_t item = 0; item < kItems; ++item) EXPECT_EQ(found[2 * kItems + item], 0);
  // Only the newest five are read.
  EXPECT_EQ(scores(*fitted->model, {{8, 9, 1, 2, 3, 4, 5}}),
            scores(*fitted->model, {{1, 2, 3, 4, 5}}));

  ASSERT_TRUE(retrieval::save_model(*fitted, dataset_, path("model"), path("checkpoint")));
  EXPECT_FALSE(std::filesystem::exists(path("checkpoint")));
  const auto loaded = load_retriever(path("model"), dataset_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(scores(**loaded, histories), found);
}

TEST_F(E4srecTest, ReadsTheVectorsOfSeveralModels) {
  Fit other = items(dataset_);
  save_model(std::move(other), "more");
  const auto fitted =
      fit(options({{"items", path("items") + "," + path("more")}, {"epochs", "1"}}));
  ASSERT_TRUE(fitted) << fitted.error().message;
  EXPECT_EQ(fitted->model->options()["width"], 32);
  EXPECT_EQ(fitted->options["items"], Json({"items", "more"}));
}

TEST_F(E4srecTest, ReadsWhatAnEmbeddingModelMadeOfTheItemsBesideThem) {
  ItemEmbeddings made{.embedder = "made up", .dimensions = 3, .values = {}};
  for (std::int64_t i = 0; i < kItems * 3; ++i)
    made.values.push_back(static_cast<float>(i % 7) - 3);
  ASSERT_TRUE(save_item_embeddings(made, dataset_, path("embeddings")));
  const auto fitted =
      fit(options({{"items", path("items") + "," + path("embeddings")}, {"epochs", "1"}}));
  ASSERT_TRUE(fitted) << fitted.error().message;
  EXPECT_EQ(fitted->model->options()["width"], 16 + 3);
  EXPECT_EQ(fitted->options["items"], Json({"items", "embeddings"}));
}

TEST_F(E4srecTest, ReadsThroughTheFirstLayersOfTheLanguageModelAlone) {
  const auto fitted = fit(options({{"first_layers", "1"}}));
  ASSERT_TRUE(fitted) << fitted.error().message;
  const std::vector<std::vector<data::ItemIndex>> histories = {{1, 2, 3}, {7}};
  const auto found = scores(*fitted->model, histories);
  EXPECT_EQ(std::ranges::max_element(found.begin(), found.begin() + kItems) - found.begin(), 4);
  EXPECT_EQ(fitted->model->options()["first_layers"], 1);
  ASSERT_TRUE(retrieval::save_model(*fitted, dataset_, path("model")));
  const auto loaded = load_retriever(path("model"), dataset_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(scores(**loaded, histories), found);
}

TEST_F(E4srecTest, LearnsFromAsMuchOfTheUsersAsItIsTold) {
  const auto many = in_order(400);
  ASSERT_TRUE(retrieval::save_model(items(many), many, path("of many")));
  const auto sequences = [&](Assignments more) {
    more.insert(more.begin(), {{"items", path("of many")}, {"epochs", "1"}});
    return fit_retriever("e4srec", many, options(more), {.clock = clock_})
        .value()
        .report["sequences"]
        .get<double>();
  };
  EXPECT_EQ(sequences({}), 400);
  EXPECT_NEAR(sequences({{"fraction", "0.5"}}), 200, 3);
  EXPECT_GT(sequences({{"windows", "0"}, {"max_length", "2"}}), 600);
}

TEST_F(E4srecTest, SaysWhatItCannotWorkWith) {
  Fit popular;
  popular.model = Popularity::fit(dataset_);
  save_model(std::move(popular), "popular");
  struct Case {
    Assignments options;
    std::string says;
  };
  for (const Case& c :
       {Case{{}, "--set items=DIR"}, Case{options({{"items", path("none")}}), "holds no model"},
        Case{options({{"items", path("popular")}}), "no vectors"},
        Case{options({{"language_model", "no-such"}}), "no-such"},
        Case{options({{"layers", "3"}}), "layers"},
        Case{options({{"first_layers", "4"}}), "has 3 layers"},
        Case{options({{"max_length", "128"}}), "reads 128 positions"},
        Case{options({{"targets", "attn_x"}}), "attn_x"}}) {
    const auto fitted = fit(c.options);
    ASSERT_FALSE(fitted) << c.says;
    EXPECT_THAT(fitted.error().message, HasSubstr(c.says));
  }
  // Vectors that were learnt from other interactions may know what is held out.
  const auto other = in_order(61);
  const auto refused = fit_retriever("e4srec", other, options(), {.clock = clock_});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
}

TEST_F(E4srecTest, IsNotLoadedWithAnotherLanguageModel) {
  const auto fitted = fit(options({{"epochs", "1"}}));
  ASSERT_TRUE(fitted) << fitted.error().message;
  ASSERT_TRUE(retrieval::save_model(*fitted, dataset_, path("model")));
  tuning::LlamaShape wider = rapport::testing::kTinyShape;
  wider.inner = 96;
  rapport::testing::write_tiny_llama(language_model(), wider);
  EXPECT_TRUE(load_retriever(path("model"), dataset_)) << "what is changed is as large as before";
  wider.dimension = 96;
  wider.head_dimension = 16;
  rapport::testing::write_tiny_llama(language_model(), wider);
  const auto loaded = load_retriever(path("model"), dataset_);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, AllOf(HasSubstr("tiny"), HasSubstr("is not the one")));
  std::filesystem::remove(language_model());
  EXPECT_EQ(load_retriever(path("model"), dataset_).error().code, ErrorCode::kNotFound);
}

#endif

}  // namespace
}  // namespace rapport::retrieval
