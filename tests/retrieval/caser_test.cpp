#include "rapport/retrieval/caser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "sequence_model_testing.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

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
    return weight(layout.input_embedding, history[static_cast<std::size_t>(at)] * d + column);
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
  std::vector<double> scoring;  // [z; P] of equation 11
  for (std::int64_t i = 0; i < d; ++i) {
    double z = weight(layout.output_bias, i);
    for (std::size_t f = 0; f < features.size(); ++f)
      z += features[f] * weight(layout.output_weight, static_cast<std::int64_t>(f) * d + i);
    scoring.push_back(std::max(z, 0.0));
  }
  for (std::int64_t i = 0; shape.history > 0 && i < d; ++i) {
    const std::int64_t known = std::min(size, shape.history);
    double sum = 0;
    for (std::int64_t at = size - known; at < size; ++at)
      sum += weight(layout.user, history[static_cast<std::size_t>(at)] * d + i);
    scoring.push_back(sum / static_cast<double>(known));
  }
  std::vector<float> scores;
  for (std::int64_t item = 0; item < shape.items; ++item) {
    double score = 0;
    for (std::size_t i = 0; i < scoring.size(); ++i)
      score += scoring[i] * weight(layout.item_embedding,
                                   item * shape.scored_width() + static_cast<std::int64_t>(i));
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
        CaserShape{
            .items = 5, .dimension = 3, .window = 1, .heights = 1, .horizontal = 1, .vertical = 1},
        CaserShape{.items = 20,
        .dimension = 6,
        .window = 4,
        .heights = 2,
        .horizontal = 3,
        .vertical = 2,
        .history = 9},
        CaserShape{.items = 20,
        .dimension = 6,
        .window = 4,
        .heights = 2,
        .horizontal = 3,
        .vertical = 2,
        .history = 2}}) {
    const std::vector<float> weights = random_weights(caser_weights(shape), 1, 0.4f);
    const Caser model(shape, weights);
    for (const auto& history : random_histories(12, 14, shape.items, /*seed=*/2)) {
      if (history.empty()) continue;
      EXPECT_LT(relative_error(scores_of(model, history), plain_scores(shape, weights, history)),
                1e-5);
    }
  }
}

TEST(Caser, ScoresAQueryTheSameInAnyCompany) {
  const CaserShape shape{.items = 50, .dimension = 16, .window = 6, .heights = 4, .history = 8};
  const Caser model(shape, random_weights(caser_weights(shape), 1, 0.4f));
  expect_the_same_in_any_company(model, random_histories(400, 12, 50, /*seed=*/2));
}

TEST(Caser, ReadsOnlyTheWindow) {
  const CaserShape shape{.items = 9, .dimension = 8, .window = 3, .heights = 2};
  const Caser model(shape, random_weights(caser_weights(shape), 3, 0.4f));
  const auto scores = [&](const std::vector<data::ItemIndex>& h) { return scores_of(model, h); };
  EXPECT_EQ(scores({1, 2, 3, 4, 5}), scores({3, 4, 5}));
  EXPECT_NE(scores({3, 4, 5}), scores({4, 5}));
  EXPECT_NE(scores({3, 4, 5}), scores({4, 3, 5}));
}

TEST(Caser, ReadsAsMuchAsTheUsersVectorIsMadeOf) {
  const CaserShape shape{.items = 9, .dimension = 8, .window = 2, .heights = 2, .history = 4};
  const Caser model(shape, random_weights(caser_weights(shape), 3, 0.4f));
  const auto scores = [&](const std::vector<data::ItemIndex>& h) { return scores_of(model, h); };
  EXPECT_EQ(scores({1, 2, 3, 4, 5}), scores({2, 3, 4, 5}));
  EXPECT_NE(scores({2, 3, 4, 5}), scores({3, 4, 5}));
}

TEST(Caser, IsReadBackFromAFileAndRefusedWhenATensorIsWrong) {
  const CaserShape shape{.items = 9, .dimension = 8, .window = 3, .heights = 2, .history = 5};
  const Caser model(shape, random_weights(caser_weights(shape), 3, 0.4f));
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

TEST(Windows, AreOneForEachSequence) {
  PackedSequences batch;
  for (const std::vector<data::ItemIndex>& sequence :
       std::vector<std::vector<data::ItemIndex>>{{7, 8}, {}, {1, 2, 3}})
    batch.add(sequence, 3);
  using Items = std::vector<std::int32_t>;
  using Begins = std::vector<std::int64_t>;
  const Windows newest = newest_windows(batch, 3);
  EXPECT_EQ(newest.items, (Items{-1, 7, 8, -1, -1, -1, 1, 2, 3}));
  EXPECT_EQ(newest.begins, (Begins{0, 3, 6}));
}

#if RAPPORT_LIMITS_MEMORY
/// Padded to the window all at once, they would take 600 MB.
TEST(CaserDeathTest, ScoresManyShortHistoriesOfALongWindowInLittleMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const CaserShape shape{.items = 5, .window = 512, .heights = 5};
  const Caser model(shape, random_weights(caser_weights(shape), 1));
  auto histories = random_histories(2000, 3, shape.items, /*seed=*/1);  // and none at all
  EXPECT_EXIT(score_within(48 << 20, model, histories), ::testing::ExitedWithCode(0), "");
}
#endif

TEST(CaserShape, NamesTheSizeThatIsOutOfRange) {
  expect_refused<CaserShape>({{{.items = 0}, "items"},
                              {{.items = 1, .dimension = 0}, "dimension"},
                              {{.items = 1, .window = 513}, "window"},
                              {{.items = 1, .window = 3, .heights = 4}, "heights"},
                              {{.items = 1, .horizontal = 0}, "horizontal"},
                              {{.items = 1, .vertical = 0}, "vertical"},
                              {{.items = 1, .history = -1}, "history"}});
}

TEST(CaserShape, IsReadBackAndRefusedWhenAPartIsWrong) {
  const CaserShape shape{.items = 5, .dimension = 4, .window = 6, .heights = 2};
  expect_read_back_and_refused_when_wrong(
      shape, {"items", "dimension", "window", "heights", "horizontal", "vertical", "history"});
}

}  // namespace
}  // namespace rapport::retrieval
