#include "rapport/retrieval/sasrec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "reference_model.h"
#include "sequence_model_testing.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

TEST(Sasrec, AgreesWithNumPyOnTheLastPosition) {
  for (const ReferenceModel& reference : reference_models()) {
    const Sasrec model(reference.shape, reference.weights);
    std::vector<Query> queries;
    for (const ReferenceSequence& sequence : reference.sequences)
      queries.push_back({.history = sequence.inputs});
    std::vector<float> scores(queries.size() * static_cast<std::size_t>(model.items()));
    ASSERT_TRUE(model.score(queries, scores));
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const std::span<const float> own(scores.data() + i * 7, 7);
      EXPECT_LT(relative_error(own, reference.sequences[i].last_logits), 1e-5)
          << reference.name << ", sequence " << i;
    }
  }
}

TEST(Sasrec, ScoresAQueryTheSameInAnyCompany) {
  const SasrecShape shape{.items = 50, .dimension = 16, .blocks = 3, .heads = 2, .max_length = 40};
  const Sasrec model(shape, random_weights(sasrec_weights(shape), 1));
  expect_the_same_in_any_company(model, random_histories(200, 90, 50, /*seed=*/2));
}

/// The catalogue is taken in panels of 64 items, the last of which may be short.
TEST(Sasrec, ScoresEveryItemByItsProductWithTheHiddenState) {
  for (const std::int64_t items : {63, 64, 65, 128, 200}) {
    const SasrecShape shape{.items = items, .dimension = 20, .heads = 2, .max_length = 5};
    const std::vector<float> weights = random_weights(sasrec_weights(shape), 4);
    const Sasrec model(shape, weights);
    const std::vector<data::ItemIndex> one = {1, 62, 7}, other = {60};
    const std::vector<Query> queries = {{.history = one}, {.history = other}};
    std::vector<float> hidden(2 * 20), scores(static_cast<std::size_t>(2 * items));
    model.encode(queries, hidden);
    ASSERT_TRUE(model.score(queries, scores));
    const float* const embedding = weights.data() + sasrec_weights(shape).item_embedding;
    for (std::int64_t query = 0; query < 2; ++query) {
      for (std::int64_t item = 0; item < items; ++item) {
        double product = 0;
        for (std::int64_t i = 0; i < 20; ++i)
          product += static_cast<double>(hidden[static_cast<std::size_t>(query * 20 + i)]) *
                     static_cast<double>(embedding[item * 20 + i]);
        EXPECT_NEAR(scores[static_cast<std::size_t>(query * items + item)], product, 1e-4)
            << items << " items, item " << item;
      }
    }
  }
}

TEST(Sasrec, ReadsOnlyTheNewestItems) {
  const SasrecShape shape{.items = 9, .dimension = 8, .max_length = 3};
  const Sasrec model(shape, random_weights(sasrec_weights(shape), 3));
  const std::vector<data::ItemIndex> all = {1, 2, 3, 4, 5}, newest = {3, 4, 5};
  std::vector<float> of_all(9), of_newest(9);
  const Query query{.history = all}, shorter{.history = newest};
  ASSERT_TRUE(model.score({&query, 1}, of_all));
  ASSERT_TRUE(model.score({&shorter, 1}, of_newest));
  EXPECT_EQ(of_all, of_newest);
}

TEST(Sasrec, GivesEqualScoresWithoutAHistory) {
  const SasrecShape shape{.items = 5, .dimension = 4, .max_length = 3};
  const Sasrec model(shape, random_weights(sasrec_weights(shape), 4));
  std::vector<float> scores(5);
  const Query nobody{};
  ASSERT_TRUE(model.score({&nobody, 1}, scores));
  EXPECT_EQ(scores, std::vector<float>(5, 0.0f));
}

TEST(Sasrec, ScoresMoreEmptyHistoriesThanItemsInAllOthers) {
  const SasrecShape shape{.items = 5, .dimension = 64, .max_length = 3};
  const Sasrec model(shape, random_weights(sasrec_weights(shape), 4));
  const std::vector<data::ItemIndex> history = {1};
  std::vector<Query> queries(40);
  queries.back().history = history;
  std::vector<float> scores(200), alone(5);
  ASSERT_TRUE(model.score(queries, scores));
  ASSERT_TRUE(model.score({&queries.back(), 1}, alone));
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(scores[195 + i], alone[i], 1e-5);
  EXPECT_EQ(std::vector<float>(scores.begin(), scores.end() - 5), std::vector<float>(195, 0.0f));
}

TEST(Sasrec, RefusesWhatIsNotInTheCatalogue) {
  const SasrecShape shape{.items = 5, .dimension = 4, .max_length = 3};
  const Sasrec model(shape, random_weights(sasrec_weights(shape), 5));
  std::vector<float> scores(5);
  for (const data::ItemIndex item : {-1, 5, 1 << 30}) {
    const std::vector<data::ItemIndex> history = {0, item};
    const Query query{.history = history};
    const auto scored = model.score({&query, 1}, scores);
    ASSERT_FALSE(scored) << item;
    EXPECT_EQ(scored.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(scored.error().message, HasSubstr(std::to_string(item)));
  }
  const Query query{};
  scores.resize(4);
  EXPECT_FALSE(model.score({&query, 1}, scores));
}

TEST(SasrecShape, NamesTheSizeThatIsOutOfRange) {
  expect_refused<SasrecShape>({{{.items = 0}, "items"},
                               {{.items = 1, .dimension = 0}, "dimension"},
                               {{.items = 1, .blocks = 65}, "blocks"},
                               {{.items = 1, .dimension = 6, .heads = 4}, "heads"},
                               {{.items = 1, .max_length = 0}, "max_length"}});
}

TEST(PackedSequences, LayTheNewestItemsEndToEndWithTheNewestPositionsLast) {
  PackedSequences packed;
  packed.add(std::vector<data::ItemIndex>{7, 8}, 3);
  packed.add({}, 3);
  packed.add(std::vector<data::ItemIndex>{1, 2, 3, 4, 5}, 3);
  EXPECT_EQ(packed.items, (std::vector<std::int32_t>{7, 8, 3, 4, 5}));
  EXPECT_EQ(packed.positions, (std::vector<std::int32_t>{1, 2, 0, 1, 2}));
  EXPECT_EQ(packed.offsets, (std::vector<std::int64_t>{0, 2, 2, 5}));
}

}  // namespace
}  // namespace rapport::retrieval
