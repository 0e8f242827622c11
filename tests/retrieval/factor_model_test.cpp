#include "rapport/retrieval/factor_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "rapport/retrieval/model_directory.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kUsers = 4, kItems = 70, kDimension = 5;  // more items than a panel has
const std::vector<std::vector<data::ItemIndex>> kTrainedOn = {{3, 1, 4}, {}, {9, 2}, {6}};

FactorShape shape_of(bool transitions) {
  return {.users = kUsers, .items = kItems, .dimension = kDimension, .transitions = transitions};
}

std::vector<float> drawn_weights(const FactorShape& shape) {
  const FactorWeights layout = factor_weights(shape);
  std::vector<float> weights(static_cast<std::size_t>(layout.total));
  base::SplitMix64 random(1);
  for (float& weight : weights) weight = static_cast<float>(random.next() >> 40) * 0x1p-24f - 0.5f;
  for (std::size_t user = 0; user < kTrainedOn.size(); ++user) {
    const HistoryMark mark = mark_of(kTrainedOn[user]);
    weights[static_cast<std::size_t>(layout.trained_on) + 2 * user] = mark.length;
    weights[static_cast<std::size_t>(layout.trained_on) + 2 * user + 1] = mark.hash;
  }
  return weights;
}

std::vector<float> scores_of(const Retriever& model, const Query& query) {
  std::vector<float> scores(static_cast<std::size_t>(model.items()));
  EXPECT_TRUE(model.score({&query, 1}, scores));
  return scores;
}

/// The formulas of factor_model.h, in the plainest words.
std::vector<double> plain_scores(const FactorShape& shape, std::vector<float> weights,
                                 data::UserIndex user,
                                 const std::vector<data::ItemIndex>& history) {
  const FactorWeights layout = factor_weights(shape);
  const auto at = [&](std::int64_t place, std::int64_t row, std::int64_t i) {
    return static_cast<double>(weights[static_cast<std::size_t>(place + row * kDimension + i)]);
  };
  std::vector<double> factors(kDimension);
  for (std::int64_t i = 0; i < kDimension; ++i) {
    double& factor = factors[static_cast<std::size_t>(i)];
    if (user >= 0) factor = at(layout.user, user, i);
    for (std::int64_t j = 0; user < 0 && j < kDimension; ++j) {
      for (const data::ItemIndex item : history)
        factor += at(layout.item, item, j) / static_cast<double>(history.size()) *
                  at(layout.fold_in, j, i);
    }
  }
  std::vector<double> scores;
  for (std::int64_t item = 0; item < kItems; ++item) {
    double score = static_cast<double>(weights[static_cast<std::size_t>(layout.bias + item)]);
    for (std::int64_t i = 0; i < kDimension; ++i) {
      score += factors[static_cast<std::size_t>(i)] * at(layout.item, item, i);
      if (shape.transitions && !history.empty())
        score += at(layout.previous, history.back(), i) * at(layout.next, item, i);
    }
    scores.push_back(score);
  }
  return scores;
}

TEST(FactorModel, ScoresByTheUsersFactorsOrByThoseOfTheHistory) {
  struct Case {
    const char* what;
    Query query;
    data::UserIndex factors_of;  // -1: of the history
  };
  const std::vector<data::ItemIndex> own = {3, 1, 4}, later = {3, 1, 4, 8}, other = {3, 1, 5, 8},
                                     shorter = {3, 1}, none = {};
  const Case cases[] = {{"what it was trained on", {0, own}, 0},
                        {"and more since", {0, later}, 0},
                        {"nobody of the data set", {-1, later}, -1},
                        {"the number of somebody else", {0, other}, -1},
                        {"less than it was trained on", {0, shorter}, -1},
                        {"a number beyond the training", {99, own}, -1},
                        {"a user without training", {1, own}, -1},
                        {"nothing is known", {-1, none}, -1}};
  for (const bool transitions : {false, true}) {
    const FactorShape shape = shape_of(transitions);
    const FactorModel model(shape, drawn_weights(shape));
    for (const Case& c : cases) {
      const std::vector<data::ItemIndex> history(c.query.history.begin(), c.query.history.end());
      const auto scores = scores_of(model, c.query);
      const auto plain = plain_scores(shape, drawn_weights(shape), c.factors_of, history);
      for (std::size_t item = 0; item < scores.size(); ++item)
        ASSERT_NEAR(scores[item], plain[item], 1e-5) << c.what << ", item " << item;
    }
  }
}

TEST(FactorModel, ScoresAQueryTheSameInAnyCompany) {
  const FactorShape shape = shape_of(true);
  const FactorModel model(shape, drawn_weights(shape));
  std::vector<Query> queries = {{2, kTrainedOn[2]}, {-1, kTrainedOn[0]}, {}, {3, kTrainedOn[3]}};
  std::vector<float> together(queries.size() * kItems);
  ASSERT_TRUE(model.score(queries, together));
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const auto alone = scores_of(model, queries[i]);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(),
                           together.begin() + static_cast<std::ptrdiff_t>(i * kItems)))
        << i;
  }
}

TEST(FactorModel, FoldsInTheUserThatTheTrainingWouldHaveGiven) {
  // Users whose factors are a linear map of the mean of their items': it must be found.
  const FactorShape shape{.users = 300, .items = 40, .dimension = 4};
  const FactorWeights layout = factor_weights(shape);
  base::SplitMix64 random(2);
  std::vector<float> weights(static_cast<std::size_t>(layout.total));
  for (float& weight : weights) weight = static_cast<float>(random.next() >> 40) * 0x1p-24f - 0.5f;
  const float map[4][4] = {{2, 0, 0, 1}, {0, -1, 0, 0}, {0.5f, 0, 3, 0}, {0, 1, 0, 1}};
  std::vector<std::vector<data::ItemIndex>> histories;
  for (std::int64_t user = 0; user < shape.users; ++user) {
    histories.emplace_back();
    for (int i = 0; i < 3; ++i)
      histories.back().push_back(static_cast<data::ItemIndex>(random.next() % 40));
    for (std::size_t column = 0; column < 4; ++column) {
      float& factor = weights[static_cast<std::size_t>(layout.user + user * 4) + column];
      factor = 0;
      for (std::size_t row = 0; row < 4; ++row) {
        for (const data::ItemIndex item : histories.back())
          factor += weights[static_cast<std::size_t>(layout.item + item * 4) + row] / 3 *
                    map[row][column];
      }
    }
  }
  fit_fold_in(shape,
              std::vector<std::span<const data::ItemIndex>>(histories.begin(), histories.end()),
              weights);
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t column = 0; column < 4; ++column)
      EXPECT_NEAR(weights[static_cast<std::size_t>(layout.fold_in) + row * 4 + column],
                  map[row][column], 0.02)
          << row << " " << column;
  }
}

TEST(FactorModel, ComesBackFromItsDirectory) {
  const rapport::testing::TemporaryDirectory folder;
  const auto dataset = rapport::testing::random_dataset(kUsers, kItems, 1);
  for (const bool transitions : {false, true}) {
    const FactorShape shape = shape_of(transitions);
    Fit fit;
    fit.model = std::make_unique<FactorModel>(shape, drawn_weights(shape));
    ASSERT_TRUE(save_model(fit, dataset, folder.path() / "model"));
    const auto loaded = load_retriever(folder.path() / "model", dataset);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ((*loaded)->kind(), transitions ? "fpmc" : "bprmf");
    for (const Query& query : {Query{0, kTrainedOn[0]}, Query{-1, kTrainedOn[0]}})
      EXPECT_EQ(scores_of(**loaded, query), scores_of(*fit.model, query));
  }
}

TEST(FactorModel, RefusesSizesThatAreMissingOrAbsurd) {
  const Json good = shape_of(true).to_json();
  EXPECT_TRUE(FactorShape::from_json(good, true));
  for (const char* key : {"users", "items", "dimension"}) {
    for (const Json& bad : {Json(), Json("many"), Json(0), Json(-4), Json(std::int64_t{1} << 40)}) {
      Json json = good;
      json[key] = bad;
      const auto shape = FactorShape::from_json(json, true);
      ASSERT_FALSE(shape) << key << bad;
      EXPECT_EQ(shape.error().code, ErrorCode::kCorrupt);
      EXPECT_THAT(shape.error().message, HasSubstr(key));
    }
  }
}

}  // namespace
}  // namespace rapport::retrieval
