#include "rapport/retrieval/model_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <limits>

#include "rapport/base/files.h"
#include "rapport/retrieval/popularity.h"
#include "rapport/retrieval/sasrec.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ModelDirectory : public ::testing::Test {
 protected:
  static Fit fit_of(std::unique_ptr<Retriever> model) {
    Fit fit;
    fit.model = std::move(model);
    fit.report = {{"curve", {{{"epoch", 1}, {"loss", 2.5}, {"validation_ndcg@10", 0.1}}}}};
    return fit;
  }
  void save(std::unique_ptr<Retriever> model) {
    const auto saved = save_model(fit_of(std::move(model)), dataset_, path_);
    ASSERT_TRUE(saved) << saved.error().message;
  }
  Error refusal() {
    const auto loaded = load_retriever(path_, dataset_);
    EXPECT_FALSE(loaded);
    return loaded ? Error{} : loaded.error();
  }
  void edit(const std::function<void(Json&)>& change) {
    Json json = Json::parse(base::read_file(path_ / "model.json").value());
    change(json);
    std::ofstream(path_ / "model.json") << json.dump();
  }

  const data::Dataset dataset_ = rapport::testing::random_dataset(30, 12, 1);
  rapport::testing::TemporaryDirectory folder_;
  const std::filesystem::path path_ = folder_.path() / "model";
};

TEST_F(ModelDirectory, GivesBackWhatWasSaved) {
  const SasrecShape shape{.items = 12, .dimension = 8, .heads = 2, .max_length = 6};
  std::vector<float> weights(static_cast<std::size_t>(sasrec_weights(shape).total));
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] = 0.01f * static_cast<float>(i * 7919 % 101) - 0.5f;
  const auto original = std::make_unique<Sasrec>(shape, weights);
  const std::vector<data::ItemIndex> history = {3, 1, 4, 1, 5};
  const Query query{.history = history};
  std::vector<float> before(12), after(12);
  ASSERT_TRUE(original->score({&query, 1}, before));

  save(std::make_unique<Sasrec>(shape, weights));
  const auto loaded = load_retriever(path_, dataset_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->kind(), "sasrec");
  ASSERT_TRUE((*loaded)->score({&query, 1}, after));
  EXPECT_EQ(before, after);
  EXPECT_THAT(base::read_file(path_ / "curves.svg").value(), HasSubstr("validation NDCG@10"));
}

TEST_F(ModelDirectory, ReplacesAModelAndNothingElse) {
  save(Popularity::fit(dataset_));
  save(std::make_unique<Popularity>(std::vector<float>(12, 2.0f)));
  EXPECT_TRUE(load_retriever(path_, dataset_));
  std::filesystem::remove(path_ / "model.json");
  const auto refused = save_model(fit_of(Popularity::fit(dataset_)), dataset_, path_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_TRUE(std::filesystem::exists(path_ / "weights.safetensors")) << "left as it was";
}

TEST_F(ModelDirectory, RefusesWhatItCannotServeAndSaysWhy) {
  struct Case {
    const char* what;
    std::function<void()> harm;
    ErrorCode code;
    const char* says;
  };
  const Case cases[] = {
      {"newer", [&] { edit([](Json& j) { j["format"] = 2; }); }, ErrorCode::kUnsupported, "newer"},
      {"unknown kind", [&] { edit([](Json& j) { j["kind"] = "oracle"; }); },
       ErrorCode::kUnsupported, "oracle"},
      {"another catalogue", [&] { edit([](Json& j) { j["data"]["catalogue_checksum"] = "x"; }); },
       ErrorCode::kConflict, "another catalogue"},
      {"other weights",
       [&] {
         std::ofstream(path_ / "weights.safetensors", std::ios::binary | std::ios::app) << 'x';
       },
       ErrorCode::kCorrupt, "checksum"},
      {"weights gone", [&] { std::filesystem::remove(path_ / "weights.safetensors"); },
       ErrorCode::kCorrupt, "weights"},
      {"not JSON", [&] { std::ofstream(path_ / "model.json") << "{"; }, ErrorCode::kCorrupt,
       "model.json"},
      {"no options", [&] { edit([](Json& j) { j.erase("options"); }); }, ErrorCode::kCorrupt,
       "missing"},
      {"other sizes", [&] { edit([](Json& j) { j["options"]["items"] = 11; }); },
       ErrorCode::kCorrupt, "counts"},
      {"nothing there", [&] { std::filesystem::remove_all(path_); }, ErrorCode::kNotFound,
       "rapport train"},
  };
  for (const Case& c : cases) {
    std::filesystem::remove_all(path_);
    save(Popularity::fit(dataset_));
    c.harm();
    const Error error = refusal();
    EXPECT_EQ(error.code, c.code) << c.what << ": " << error.message;
    EXPECT_THAT(error.message, AllOf(HasSubstr(path_.filename().string()), HasSubstr(c.says)))
        << c.what;
  }
}

/// However large: nothing is allocated for what the file does not hold.
TEST_F(ModelDirectory, RefusesSizesThatTheWeightsDoNotHave) {
  const SasrecShape shape{.items = 12, .dimension = 4, .blocks = 1, .max_length = 3};
  save(std::make_unique<Sasrec>(
      shape, std::vector<float>(static_cast<std::size_t>(sasrec_weights(shape).total), 0.1f)));
  for (const std::int64_t items : {13, 1 << 30}) {
    edit([&](Json& j) { j["options"]["items"] = items; });
    const Error error = refusal();
    EXPECT_EQ(error.code, ErrorCode::kCorrupt) << items;
    EXPECT_THAT(error.message, HasSubstr("item_embedding"));
  }
}

TEST_F(ModelDirectory, RefusesWeightsThatAreNoNumbers) {
  std::vector<float> counts(12, 1.0f);
  counts[7] = std::numeric_limits<float>::quiet_NaN();
  save(std::make_unique<Popularity>(counts));
  const Error error = refusal();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("counts holds a number that is none"));
}

TEST_F(ModelDirectory, TheCheckpointGoesOnceTheModelIsThere) {
  const std::filesystem::path checkpoint = folder_.path() / "model.checkpoint";
  const std::filesystem::path training = checkpoint / "training.safetensors";
  std::filesystem::create_directory(checkpoint);
  std::ofstream(training) << "what was learnt";
  Fit fit = fit_of(Popularity::fit(dataset_));
  EXPECT_TRUE(save_model(fit, dataset_, path_, checkpoint));
  EXPECT_TRUE(std::filesystem::exists(training)) << "another model's: this one has no epochs";
  std::filesystem::remove_all(path_);

  fit.report = {{"epochs", 3}};
  std::filesystem::create_directory(path_);
  std::ofstream(path_ / "letters") << "dear";
  EXPECT_FALSE(save_model(fit, dataset_, path_, checkpoint));
  EXPECT_TRUE(std::filesystem::exists(training)) << "nothing else has what was learnt";
  std::filesystem::remove_all(path_);

  std::ofstream(checkpoint / "mine") << "not ours";
  EXPECT_TRUE(save_model(fit, dataset_, path_, checkpoint));
  EXPECT_FALSE(std::filesystem::exists(training));
  EXPECT_TRUE(std::filesystem::exists(checkpoint / "mine"));
  std::filesystem::remove(checkpoint / "mine");
  std::ofstream(training) << "what was learnt";
  EXPECT_TRUE(save_model(fit, dataset_, path_, checkpoint));
  EXPECT_FALSE(std::filesystem::exists(checkpoint));
}

}  // namespace
}  // namespace rapport::retrieval
