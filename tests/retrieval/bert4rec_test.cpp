#include "rapport/retrieval/bert4rec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "rapport/base/files.h"
#include "sequence_model_testing.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;
using Row = std::vector<double>;

/// The papers' equations, one number at a time, in double.
class Plain {
 public:
  Plain(const Bert4recShape& shape, const std::vector<float>& weights)
      : shape_(shape),
        layout_(bert4rec_weights(shape)),
        weights_(weights),
        d_(static_cast<std::size_t>(shape.dimension)) {}

  std::vector<float> scores(std::vector<data::ItemIndex> sequence) const {
    sequence.push_back(shape_.mask());
    std::vector<Row> x;
    for (std::size_t i = 0; i < sequence.size(); ++i) {
      const auto position = static_cast<std::size_t>(shape_.max_length) - sequence.size() + i;
      const Row item = row(layout_.item_embedding, static_cast<std::size_t>(sequence[i]));
      const Row place = row(layout_.position_embedding, position);
      x.emplace_back(d_);
      for (std::size_t j = 0; j < d_; ++j)
        x[i][j] = item[j] * std::sqrt(static_cast<double>(d_)) + place[j];
    }
    for (const TransformerBlock& block : layout_.blocks) x = through(block, x);
    const Row last = norm(x.back(), layout_.final_norm_weight, layout_.final_norm_bias);
    std::vector<float> scores;
    for (std::size_t item = 0; item < static_cast<std::size_t>(shape_.items); ++item)
      scores.push_back(static_cast<float>(dot(last, row(layout_.item_embedding, item))));
    return scores;
  }

 private:
  double weight(std::int64_t offset, std::size_t i) const {
    return weights_[static_cast<std::size_t>(offset) + i];
  }
  Row row(std::int64_t offset, std::size_t index) const {
    Row values(d_);
    for (std::size_t j = 0; j < d_; ++j) values[j] = weight(offset, index * d_ + j);
    return values;
  }
  static double dot(const Row& a, const Row& b) {
    double sum = 0;
    for (std::size_t j = 0; j < a.size(); ++j) sum += a[j] * b[j];
    return sum;
  }
  Row norm(const Row& x, std::int64_t scale, std::int64_t bias) const {
    double mean = 0, variance = 0;
    for (const double value : x) mean += value / static_cast<double>(d_);
    for (const double value : x) variance += (value - mean) * (value - mean);
    variance /= static_cast<double>(d_);
    Row out;
    for (std::size_t j = 0; j < d_; ++j)
      out.push_back((x[j] - mean) / std::sqrt(variance) * weight(scale, j) + weight(bias, j));
    return out;
  }
  Row linear(const Row& x, std::int64_t matrix, std::int64_t bias, std::size_t width) const {
    Row out;
    for (std::size_t j = 0; j < width; ++j) {
      out.push_back(weight(bias, j));
      for (std::size_t i = 0; i < x.size(); ++i) out[j] += x[i] * weight(matrix, i * width + j);
    }
    return out;
  }
  std::vector<Row> through(const TransformerBlock& block, const std::vector<Row>& x) const {
    std::vector<Row> query, key_value, out;
    for (const Row& each : x) {
      const Row normed = norm(each, block.attention_norm_weight, block.attention_norm_bias);
      query.push_back(linear(normed, block.query_weight, block.query_bias, d_));
      key_value.push_back(linear(normed, block.key_value_weight, block.key_value_bias, 2 * d_));
    }
    const std::size_t width = d_ / static_cast<std::size_t>(shape_.heads);
    for (std::size_t i = 0; i < x.size(); ++i) {
      Row attended(d_);
      for (std::size_t first = 0; first < d_; first += width) {
        Row shares;
        double sum = 0;
        for (const Row& other : key_value) {
          double product = 0;
          for (std::size_t j = first; j < first + width; ++j) product += query[i][j] * other[j];
          shares.push_back(std::exp(product / std::sqrt(static_cast<double>(width))));
          sum += shares.back();
        }
        for (std::size_t k = 0; k < x.size(); ++k) {
          for (std::size_t j = first; j < first + width; ++j)
            attended[j] += shares[k] / sum * key_value[k][d_ + j];
        }
      }
      Row middle = linear(attended, block.output_weight, block.output_bias, d_);
      for (std::size_t j = 0; j < d_; ++j) middle[j] += x[i][j];
      Row inner =
          linear(norm(middle, block.feed_forward_norm_weight, block.feed_forward_norm_bias),
                 block.inner_weight, block.inner_bias, static_cast<std::size_t>(shape_.inner));
      for (double& value : inner) value *= 0.5 * std::erfc(-value / std::sqrt(2.0));
      Row outer = linear(inner, block.outer_weight, block.outer_bias, d_);
      for (std::size_t j = 0; j < d_; ++j) outer[j] += middle[j];
      out.push_back(outer);
    }
    return out;
  }

  Bert4recShape shape_;
  Bert4recWeights layout_;
  const std::vector<float>& weights_;
  std::size_t d_;
};

TEST(Bert4rec, ScoresAsTheEquationsSay) {
  for (const Bert4recShape& shape :
       {Bert4recShape{.items = 20, .dimension = 8, .heads = 2, .inner = 12, .max_length = 40},
        Bert4recShape{
            .items = 70, .dimension = 12, .blocks = 3, .heads = 1, .inner = 5, .max_length = 40}}) {
    const std::vector<float> weights = random_weights(bert4rec_weights(shape), 1);
    const Bert4rec model(shape, weights);
    std::mt19937 random(2);
    for (const std::size_t length : {1u, 2u, 17u, 39u}) {
      std::vector<data::ItemIndex> history(length);
      for (auto& item : history)
        item = static_cast<data::ItemIndex>(random() % static_cast<unsigned>(shape.items));
      // GELU by tanh is good to 3e-4.
      EXPECT_LT(relative_error(scores_of(model, history), Plain(shape, weights).scores(history)),
                1e-3)
          << length;
    }
  }
}

TEST(Bert4rec, ScoresAQueryTheSameInAnyCompany) {
  const Bert4recShape shape{.items = 50, .dimension = 16, .heads = 4, .max_length = 40};
  const Bert4rec model(shape, random_weights(bert4rec_weights(shape), 1));
  expect_the_same_in_any_company(model, random_histories(200, 90, 50, /*seed=*/2));
}

TEST(Bert4rec, ReadsTheNewestItemsAndLeavesAPlaceForTheMask) {
  const Bert4recShape shape{.items = 9, .dimension = 8, .max_length = 4};
  const Bert4rec model(shape, random_weights(bert4rec_weights(shape), 3));
  EXPECT_EQ(scores_of(model, {1, 2, 3, 4, 5}), scores_of(model, {3, 4, 5}));
  EXPECT_NE(scores_of(model, {3, 4, 5}), scores_of(model, {4, 5}));
  EXPECT_NE(scores_of(model, {3, 4, 5}), scores_of(model, {4, 3, 5})) << "order matters";
}

TEST(Bert4rec, IsReadBackAndRefusedWhenATensorIsWrong) {
  const Bert4recShape shape{.items = 9, .dimension = 8, .inner = 6, .max_length = 4};
  const Bert4rec model(shape, random_weights(bert4rec_weights(shape), 4));
  const rapport::testing::TemporaryDirectory folder;
  const auto saved = [&](const Retriever& of) {
    base::SafetensorsWriter writer;
    of.save(writer);
    EXPECT_TRUE(writer.write(folder.path() / "weights"));
    return base::Safetensors::open(folder.path() / "weights").value();
  };
  const auto loaded = Bert4rec::load(shape.to_json(), saved(model));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->kind(), "bert4rec");
  EXPECT_EQ(scores_of(model, {3, 4}), scores_of(**loaded, {3, 4}));

  Bert4recShape other = shape;
  other.inner = 7;
  const auto refused = Bert4rec::load(
      shape.to_json(), saved(Bert4rec(other, random_weights(bert4rec_weights(other), 4))));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(refused.error().message, HasSubstr("feed_forward.0.weight"));
}

#if RAPPORT_LIMITS_MEMORY
/// Shares of attention kept for a backward pass that never comes would take 270 MB, all positions
/// at once 30.
TEST(Bert4recDeathTest, ScoresManyLongHistoriesInLittleMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Bert4recShape shape{
      .items = 5, .dimension = 8, .heads = 1, .inner = 16, .max_length = 1024};
  const Bert4rec model(shape, random_weights(bert4rec_weights(shape), 1));
  const std::vector<std::vector<data::ItemIndex>> histories(64,
                                                            std::vector<data::ItemIndex>(1023, 3));
  EXPECT_EXIT(score_within(16 << 20, model, histories), ::testing::ExitedWithCode(0), "");
}
#endif

TEST(Bert4recShape, NamesTheSizeThatIsOutOfRange) {
  expect_refused<Bert4recShape>({{{.items = 0}, "items"},
                                 {{.items = 1, .dimension = 0}, "dimension"},
                                 {{.items = 1, .blocks = 65}, "blocks"},
                                 {{.items = 1, .dimension = 6, .heads = 4}, "heads"},
                                 {{.items = 1, .inner = 0}, "inner"},
                                 {{.items = 1, .max_length = 1}, "max_length"}});
}

TEST(Bert4recShape, IsReadBackAndRefusedWhenAPartIsWrong) {
  const Bert4recShape shape{
      .items = 5, .dimension = 4, .blocks = 1, .heads = 2, .inner = 3, .max_length = 6};
  expect_read_back_and_refused_when_wrong(
      shape, {"items", "dimension", "blocks", "heads", "inner", "max_length"});
}

}  // namespace
}  // namespace rapport::retrieval
