#include "rapport/retrieval/text_scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <numeric>

#include "rapport/retrieval/gru4rec.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/sasrec.h"
#include "reference_model.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kItems = 4, kDimension = 3, kRead = 2;

/// Item 0 is like 1 and, less so, 3; item 2 like 1; the others like none.
SparseMatrix kernel() {
  return {.columns = kItems, .offsets = {0, 2, 2, 3, 3}, .indices = {1, 3, 1}, .values = {2, 1, 5}};
}

/// W, then b.
const std::vector<float> kGate = {1, 0, 0, 2, 0.5f, 0, /* b */ 0.25f, -1};

TextScores text() {
  return {std::make_shared<const SparseMatrix>(kernel()), kDimension, kRead, kGate};
}

TEST(TextScores, AreThoseOfTheNewestItemsAsTheGateSays) {
  const std::vector<data::ItemIndex> both = {3, 2, 0}, one = {2};
  const std::vector<Query> queries = {{.history = both}, {}, {.history = one}};
  const std::vector<float> hidden = {2, 3, 4, /* no history */ 0, 0, 0, 1, 1, 1};
  std::vector<float> scores(12, 1.0f);
  text().add(queries, hidden.data(), scores);
  // hidden · W + b: 2·1 + 4·0.5 + 0.25 for item 0, the newest, and 3·2 - 1 for item 2 before it.
  EXPECT_THAT(scores, ElementsAre(1, 1 + 4.25f * 2 + 5.0f * 5, 1, 1 + 4.25f,  //
                                  1, 1, 1, 1,                                 //
                                  1, 1 + 1.75f * 5, 1, 1));
}

template <typename Model, typename Shape>
std::unique_ptr<Retriever> model_of(const Shape& shape, std::int64_t weights,
                                    std::optional<TextScores> scores) {
  std::vector<float> values(static_cast<std::size_t>(weights));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = 0.01f * static_cast<float>(i * 7919 % 101) - 0.5f;
  return std::make_unique<Model>(shape, std::move(values), std::move(scores));
}

std::unique_ptr<Retriever> sasrec(std::optional<TextScores> scores) {
  const SasrecShape shape{.items = kItems, .dimension = kDimension, .max_length = 5};
  return model_of<Sasrec>(shape, sasrec_weights(shape).total, std::move(scores));
}

std::unique_ptr<Retriever> gru4rec(std::optional<TextScores> scores) {
  const Gru4recShape shape{.items = kItems, .dimension = kDimension, .hidden = 4, .max_length = 5};
  return model_of<Gru4rec>(shape, gru4rec_weights(shape).total, std::move(scores));
}

const std::vector<data::ItemIndex> kHistory = {3, 2, 0};

std::vector<float> scores_of(const Retriever& model) {
  const Query query{.history = kHistory};
  std::vector<float> scores(kItems);
  EXPECT_TRUE(model.score({&query, 1}, scores));
  return scores;
}

TEST(TextScores, JoinThoseOfAModelOfSequences) {
  for (const auto& make : {sasrec, gru4rec}) {
    const auto with = make(text()), without = make(std::nullopt);
    std::vector<float> expected = scores_of(*without);
    const Query query{.history = kHistory};
    std::vector<float> hidden(kDimension);
    dynamic_cast<const SequenceModel&>(*with).encode({&query, 1}, hidden);
    text().add({&query, 1}, hidden.data(), expected);
    EXPECT_EQ(scores_of(*with), expected);
    EXPECT_NE(scores_of(*with), scores_of(*without));
    EXPECT_FALSE(without->options().contains("text"));
  }
}

class TextScoresDirectory : public ::testing::Test {
 protected:
  const data::Dataset dataset_ = rapport::testing::random_dataset(10, kItems, 1);
  rapport::testing::TemporaryDirectory folder_;
};

TEST_F(TextScoresDirectory, ComeBackAsTheyWereSaved) {
  for (const auto& make : {sasrec, gru4rec}) {
    for (const bool reads_text : {true, false}) {
      Fit fit;
      fit.model = make(reads_text ? std::optional(text()) : std::nullopt);
      ASSERT_TRUE(save_model(fit, dataset_, folder_.path() / "model"));
      const auto loaded = load_retriever(folder_.path() / "model", dataset_);
      ASSERT_TRUE(loaded) << loaded.error().message;
      EXPECT_EQ(scores_of(**loaded), scores_of(*fit.model));
    }
  }
}

TEST_F(TextScoresDirectory, AreRefusedWhenAPartIsWrong) {
  const std::filesystem::path path = folder_.path() / "weights.safetensors";
  const auto load = [&](const SparseMatrix& stored, const std::vector<float>& gate,
                        const Json& options) {
    base::SafetensorsWriter writer;
    const TextScores scores(std::make_shared<const SparseMatrix>(stored), kDimension, kRead, gate);
    scores.save(writer);
    EXPECT_TRUE(writer.write(path));
    return TextScores::read(options, base::Safetensors::open(path).value(), kItems, kDimension);
  };
  const Json sound = {{"text", text().to_json()}};
  EXPECT_TRUE(load(kernel(), kGate, sound).value());
  EXPECT_FALSE(load(kernel(), kGate, Json::object()).value()) << "reads no text";
  const auto refused = [&](const SparseMatrix& stored, const std::vector<float>& gate,
                           const Json& options) {
    const auto loaded = load(stored, gate, options);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt) << loaded.error().message;
  };
  for (const Json& options :
       {Json{{"text", true}}, Json{{"text", {{"items_read", 0}}}},
        Json{{"text", {{"items_read", 3}}}}, Json{{"text", {{"items_read", "2"}}}}})
    refused(kernel(), kGate, options);
  SparseMatrix beyond = kernel();
  beyond.indices.back() = kItems;
  refused(beyond, kGate, sound);
  std::vector<float> none = kGate;
  none.front() = std::numeric_limits<float>::quiet_NaN();
  refused(kernel(), none, sound);
}

TEST(TextOptions, AreRefusedWhereTheyCannotBeMet) {
  const auto plain = rapport::testing::random_dataset(20, 10, 1);  // no titles
  const base::SystemClock clock;
  for (const char* const model : {"sasrec", "gru4rec"}) {
    const auto fit = fit_retriever(model, plain, {{"text", "true"}}, {.clock = clock});
    ASSERT_FALSE(fit);
    EXPECT_EQ(fit.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(fit.error().param, "text");
    EXPECT_THAT(fit.error().message, HasSubstr("prepare it with its items"));
  }
  const auto titled = rapport::testing::titled_dataset({{0, 1, 0, 1}}, {"red hat", "red shoe"});
  const auto fit =
      fit_retriever("gru4rec", titled, {{"text", "true"}, {"loss", "bpr"}}, {.clock = clock});
  ASSERT_FALSE(fit);
  EXPECT_EQ(fit.error().param, "text");
  EXPECT_THAT(fit.error().message, HasSubstr("loss=ce"));
}

}  // namespace
}  // namespace rapport::retrieval
