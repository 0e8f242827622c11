#include "rapport/retrieval/caser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "reference_model.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

std::vector<float> random_weights(const CaserShape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.4f);
  std::vector<float> weights(static_cast<std::size_t>(caser_weights(shape).total));
  for (float& weight : weights) weight = normal(random);
  return weights;
}

std::vector<std::vector<data::ItemIndex>> random_histories(std::size_t count, unsigned longest,
                                                           unsigned items, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::vector<data::ItemIndex>> histories(count);
  for (auto& history : histories) {
    history.resize(random() % longest);
    for (auto& item : history) item = static_cast<data::ItemIndex>(random() % items);
  }
  return histories;
}

std::vector<float> scores_of(const Caser& model, const std::vector<data::ItemIndex>& history) {
  std::vector<float> scores(static_cast<std::size_t>(model.items()));
  const Query query{.history = history};
  EXPECT_TRUE(model.score({&query, 1}, scores));
  return scores;
}

/// The paper's equations, one number at a time, in double.
std::vector<float> plain_scores(const CaserShape& shape, const std::vector<float>& weights,
                                const std::vector<data::ItemIndex>& history) {
  const CaserWeights layout = caser_weights(shape);
  const auto weight = [&](std::int64_t offset, std::int64_t i) {
    return static_cast<double>(weights[static_cast<std::size_t>(offset + i)]);
  };
  const std::int64_t d = shape.dimension, window = shape.window;
  const auto size = static_cast<std::int64_t>(history.size());
  const auto image = [&](std::int64_t row, std::int64_t column) {  // E of equation 1
    const std::int64_t at = size - window + row;
    if (at < 0) return 0.0;
    return weight(layout.item_embedding, history[static_cast<std::size_t>(at)] * d + column);
  };
  std::vector<double> features;
  for (std::int64_t height = 1; height <= shape.heights; ++height) {
    for (std::int64_t k = 0; k < shape.horizontal; ++k) {
      const std::int64_t filter = (height - 1) * shape.horizontal + k;
      double most = 0;  // of what the ReLU lets through
      for (std::int64_t begin = 0; begin + height <= window; ++begin) {
        double sum = weight(layout.horizontal_bias, filter);
        for (std::int64_t row = 0; row < height; ++row) {
          const std::int64_t columns = (shape.heights - row) * shape.horizontal;
          for (std::int64_t i = 0; i < d; ++i)
            sum += image(begin + row, i) * weight(layout.horizontal[static_cast<std::size_t>(row)],
                                                  i * columns + filter - row * shape.horizontal);
        }
        most = std::max(most, sum);
      }
      features.push_back(most);
    }
  }
  for (std::int64_t k = 0; k < shape.vertical; ++k) {
    for (std::int64_t i = 0; i < d; ++i) {
      double sum = 0;
      for (std::int64_t row = 0; row < window; ++row)
        sum += image(row, i) * weight(layout.vertical, k * window + row);
      features.push_back(sum);
    }
  }
  std::vector<float> scores;
  for (std::int64_t item = 0; item < shape.items; ++item) {
    double score = 0;
    for (std::int64_t i = 0; i < d; ++i) {
      double z = weight(layout.output_bias, i);
      for (std::size_t f = 0; f < features.size(); ++f)
        z += features[f] * weight(layout.output_weight, static_cast<std::int64_t>(f) * d + i);
      score += z * weight(layout.item_embedding, item * d + i);
    }
    scores.push_back(static_cast<float>(score));
  }
  return scores;
}

TEST(Caser, ScoresAsTheEquationsSay) {
  for (const CaserShape& shape :
       {CaserShape{
            .items = 20, .dimension = 6, .window = 4, .heights = 4, .horizontal = 3, .vertical = 2},
        CaserShape{.items = 70,
        .dimension = 16,
        .window = 9,
        .heights = 3,
        .horizontal = 16,
        .vertical = 5},
        CaserShape{.items = 5,
        .dimension = 3,
        .window = 1,
        .heights = 1,
        .horizontal = 1,
        .vertical = 1}}) {
    const std::vector<float> weights = random_weights(shape, 1);
    const Caser model(shape, weights);
    for (const auto& history :
         random_histories(12, 14, static_cast<unsigned>(shape.items), /*seed=*/2)) {
      if (history.empty()) continue;
      EXPECT_LT(relative_error(scores_of(model, history), plain_scores(shape, weights, history)),
                1e-5);
    }
  }
}

TEST(Caser, ScoresAQueryTheSameInAnyCompany) {
  const CaserShape shape{.items = 50, .dimension = 16, .window = 6, .heights = 4};
  const Caser model(shape, random_weights(shape, 1));
  const auto histories = random_histories(400, 12, 50, /*seed=*/2);
  std::vector<Query> queries;
  for (const auto& history : histories) queries.push_back({.history = history});
  std::vector<float> together(queries.size() * 50);
  ASSERT_TRUE(model.score(queries, together));
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::vector<float> alone = scores_of(model, histories[i]);
    if (histories[i].empty()) {
      EXPECT_EQ(alone, std::vector<float>(50, 0.0f));
      EXPECT_EQ(together[i * 50], 0);
    } else {
      EXPECT_LT(relative_error(std::span(together).subspan(i * 50, 50), alone), 1e-5) << i;
    }
  }
}

TEST(Caser, ReadsOnlyTheWindow) {
  const CaserShape shape{.items = 9, .dimension = 8, .window = 3, .heights = 2};
  const Caser model(shape, random_weights(shape, 3));
  const auto scores = [&](const std::vector<data::ItemIndex>& h) { return scores_of(model, h); };
  EXPECT_EQ(scores({1, 2, 3, 4, 5}), scores({3, 4, 5}));
  EXPECT_NE(scores({3, 4, 5}), scores({4, 5}));
  EXPECT_NE(scores({3, 4, 5}), scores({4, 3, 5}));
}

TEST(Caser, IsReadBackFromAFileAndRefusedWhenATensorIsWrong) {
  const CaserShape shape{.items = 9, .dimension = 8, .window = 3, .heights = 2};
  const Caser model(shape, random_weights(shape, 3));
  const rapport::testing::TemporaryDirectory folder;
  const auto read = [&](const Json& options) {
    base::SafetensorsWriter writer;
    model.save(writer);
    const auto path = folder.path() / "weights.safetensors";
    EXPECT_TRUE(writer.write(path));
    return Caser::load(options, base::Safetensors::open(path).value());
  };
  const auto same = read(model.options());
  ASSERT_TRUE(same) << same.error().message;
  std::vector<float> scores(9);
  const std::vector<data::ItemIndex> history = {1, 2};
  const Query query{.history = history};
  ASSERT_TRUE((*same)->score({&query, 1}, scores));
  EXPECT_EQ(scores, scores_of(model, history));

  CaserShape wider = shape;
  wider.horizontal += 1;
  const auto refused = read(wider.to_json());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(refused.error().message, HasSubstr("horizontal.0.weight"));
}

TEST(Windows, AreOneForEachPositionOrOneForEachSequence) {
  PackedSequences batch;
  for (const std::vector<data::ItemIndex>& sequence :
       std::vector<std::vector<data::ItemIndex>>{{7, 8}, {}, {1, 2, 3}})
    batch.add(sequence, 3);
  using Items = std::vector<std::int32_t>;
  using Begins = std::vector<std::int64_t>;
  const Windows every = every_window(batch, 3);
  EXPECT_EQ(every.items, (Items{-1, -1, 7, 8, -1, -1, -1, -1, 1, 2, 3}));
  EXPECT_EQ(every.begins, (Begins{0, 1, 6, 7, 8}));
  const Windows newest = newest_windows(batch, 3);
  EXPECT_EQ(newest.items, (Items{-1, 7, 8, -1, -1, -1, 1, 2, 3}));
  EXPECT_EQ(newest.begins, (Begins{0, 3, 6}));
}

TEST(CaserShape, NamesTheSizeThatIsOutOfRange) {
  struct Case {
    CaserShape shape;
    const char* param;
  };
  for (const Case& c :
       {Case{{.items = 0}, "items"}, Case{{.items = 1, .dimension = 0}, "dimension"},
        Case{{.items = 1, .window = 513}, "window"},
        Case{{.items = 1, .window = 3, .heights = 4}, "heights"},
        Case{{.items = 1, .horizontal = 0}, "horizontal"},
        Case{{.items = 1, .vertical = 0}, "vertical"}}) {
    const auto checked = c.shape.check();
    ASSERT_FALSE(checked) << c.param;
    EXPECT_EQ(checked.error().param, c.param);
  }
}

TEST(CaserShape, IsReadBackAndRefusedWhenAPartIsWrong) {
  const CaserShape shape{.items = 5, .dimension = 4, .window = 6, .heights = 2};
  const Json json = shape.to_json();
  const auto read = CaserShape::from_json(json);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, shape);
  for (const char* const size :
       {"items", "dimension", "window", "heights", "horizontal", "vertical"}) {
    for (const Json& value : {Json("many"), Json(-1), Json()}) {
      Json changed = json;
      changed[size] = value;
      const auto refused = CaserShape::from_json(changed);
      ASSERT_FALSE(refused) << size << value;
      EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
      EXPECT_THAT(refused.error().message, HasSubstr(size));
    }
  }
  EXPECT_FALSE(CaserShape::from_json(Json::array()));
}

}  // namespace
}  // namespace rapport::retrieval
