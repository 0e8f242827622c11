#include "rapport/retrieval/training/sequence_parameters.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "reference_model.h"
#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

const base::SystemClock kClock;
constexpr std::int64_t kItems = 150, kDimension = 8;  // panels that are not full

data::Dataset titled() {
  std::vector<std::string> titles;
  for (std::int64_t i = 0; i < kItems; ++i)
    titles.push_back("w" + std::to_string(i * i % 17) + " v" + std::to_string(i % 5));
  return rapport::testing::titled_dataset({{0, 1, 2, 3}}, titles);
}

std::unique_ptr<const ItemText> text_of(const data::Dataset& dataset) {
  return read_item_text(dataset, {.text = true, .text_items = 3, .neighbours = 20},
                        {.clock = kClock, .threads = 2})
      .value();
}

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.3f);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

/// Parameters of a model that is an item embedding with something before and behind it.
struct Case {
  explicit Case(const ItemText* text, std::int64_t count = 2, bool scores_all_items = true)
      : threads(count), parameters((prepare(text, scores_all_items), task), threads) {
    state.weights.resize(static_cast<std::size_t>(parameters.layout().total));
    state.first_moment = state.second_moment = state.weights;
    base::SeededRandom random(1);
    for (const WeightPlace& place : parameters.layout().places)
      parameters.initialise(place,
                            std::span(state.weights)
                                .subspan(static_cast<std::size_t>(place.offset),
                                         static_cast<std::size_t>(place.size)),
                            random);
  }

  void prepare(const ItemText* text, bool scores_all_items) {
    task.scores_all_items = scores_all_items;
    task.items = kItems;
    task.dimension = kDimension;
    task.layout.add("before", {5});
    task.item_embedding = task.layout.add("item_embedding", {kItems, kDimension});
    task.layout.add("behind", {7});
    task.initialise = [](const WeightPlace& place, std::span<float> values, base::Random&) {
      std::ranges::copy(random_floats(values.size(), static_cast<unsigned>(place.offset)),
                        values.begin());
    };
    task.model = [this](std::vector<float> weights, std::optional<TextScores> scores) {
      built = std::move(weights);
      has_scores = scores.has_value();
      return nullptr;
    };
    task.text = text;
    task.training.learning_rate = 0.01;
  }

  std::span<const float> read() { return parameters.refresh(state.weights); }

  void step(unsigned seed) {
    read();
    const auto one = random_floats(parameters.read_size(), seed);
    const auto other = random_floats(parameters.read_size(), seed + 100);
    const std::vector<const float*> gradients = {one.data(), other.data()};
    parameters.step(gradients, state);
  }

  SequenceTask task;
  TrainingThreads threads;
  TrainingState state;
  std::vector<float> built;
  bool has_scores = false;
  SequenceParameters parameters;
};

TEST(SequenceParameters, MakeItemVectorsOfTheirOwnAndTheirTokens) {
  const data::Dataset dataset = titled();
  const auto text = text_of(dataset);
  Case c(text.get());
  for (unsigned i = 0; i < 3; ++i) c.step(i);  // tokens begin at zero
  const std::span<const float> read = c.read();
  const std::vector<float>& weights = c.state.weights;
  ASSERT_EQ(read.size(), static_cast<std::size_t>(c.task.layout.total) + (kDimension + 1) * 3);
  const float* const tokens = weights.data() + read.size();
  std::vector<float> expected(weights.begin(), weights.begin() + static_cast<int>(read.size()));
  for (std::int64_t item = 0; item < kItems; ++item) {
    const auto columns = text->features.row_indices(item);
    EXPECT_FALSE(columns.empty());
    for (std::int64_t j = 0; j < kDimension; ++j) {
      const auto at = static_cast<std::size_t>(c.task.item_embedding + item * kDimension + j);
      double sum = weights[at];
      for (std::size_t k = 0; k < columns.size(); ++k)
        sum += static_cast<double>(text->features.row_values(item)[k]) *
               tokens[columns[k] * kDimension + j];
      expected[at] = static_cast<float>(sum);
    }
  }
  EXPECT_LT(relative_error(read, expected), 1e-6);
  EXPECT_GT(relative_error(read, std::span(weights).first(read.size())), 0.01);

  c.parameters.model(c.state.weights);
  EXPECT_TRUE(c.has_scores);
  EXPECT_EQ(c.built, std::vector<float>(read.begin(), read.begin() + c.task.layout.total));
  std::vector<float> panels(kItems), ones(kDimension, 1.0f);
  c.parameters.panels().score(ones.data(), 1, panels.data());
  for (std::int64_t item = 0; item < kItems; ++item) {
    const auto first = read.begin() + c.task.item_embedding + item * kDimension;
    EXPECT_NEAR(panels[static_cast<std::size_t>(item)],
                std::accumulate(first, first + kDimension, 0.0f), 1e-5);
  }
}

TEST(SequenceParameters, GiveATokenTheGradientsOfItsItems) {
  const data::Dataset dataset = titled();
  const auto text = text_of(dataset);
  Case c(text.get());
  c.step(1);
  const std::size_t size = c.parameters.read_size();
  const auto one = random_floats(size, 1), other = random_floats(size, 101);
  std::vector<float> expected(static_cast<std::size_t>(text->tokens() * kDimension));
  for (std::int64_t item = 0; item < kItems; ++item) {
    const auto columns = text->features.row_indices(item);
    for (std::size_t k = 0; k < columns.size(); ++k) {
      for (std::int64_t j = 0; j < kDimension; ++j) {
        const auto at = static_cast<std::size_t>(c.task.item_embedding + item * kDimension + j);
        expected[static_cast<std::size_t>(columns[k] * kDimension + j)] +=
            text->features.row_values(item)[k] * (one[at] + other[at]);
      }
    }
  }
  std::vector<float> moments = c.state.first_moment;  // a tenth of the gradient, after one step
  for (float& moment : moments) moment *= 10;
  EXPECT_LT(relative_error(std::span(moments).subspan(size), expected), 1e-5);
}

TEST(SequenceParameters, WithoutTextAreTheModelsAlone) {
  Case c(nullptr);
  c.step(1);
  EXPECT_EQ(c.parameters.layout().total, c.task.layout.total);
  const std::vector<float>& weights = c.state.weights;
  EXPECT_EQ(c.read().data(), weights.data()) << "nothing is copied";
  EXPECT_EQ(c.state.steps, 1);
  c.parameters.model(c.state.weights);
  EXPECT_EQ(c.built, weights);
  EXPECT_FALSE(c.has_scores);
}

TEST(SequenceParameters, FillNoPanelsWhereTheLossLooksAtFewItems) {
  Case c(nullptr, 2, /*scores_all_items=*/false);
  c.step(1);
  EXPECT_EQ(c.parameters.panels().count(), 0);
  Case all(nullptr);
  all.step(1);
  EXPECT_EQ(c.state.weights, all.state.weights);
}

TEST(SequenceParameters, BeginWithTheTextsGateAtItsBiasAndNoTokens) {
  const data::Dataset dataset = titled();
  const auto text = text_of(dataset);
  const Case c(text.get());
  for (const WeightPlace& place : c.parameters.layout().places) {
    const auto values =
        std::span(c.state.weights)
            .subspan(static_cast<std::size_t>(place.offset), static_cast<std::size_t>(place.size));
    if (place.name == "text.gate.bias") {
      EXPECT_GT(values[0], values[1]);
      EXPECT_GT(values[2], 0);
    } else if (place.name.starts_with("text.")) {
      EXPECT_TRUE(std::ranges::all_of(values, [](float value) { return value == 0; }));
    } else {
      EXPECT_NE(values[0], 0) << place.name;
    }
  }
}

TEST(SequenceParameters, AreTheSameForAnyNumberOfThreads) {
  const data::Dataset dataset = titled();
  const auto text = text_of(dataset);
  Case one(text.get(), 1), three(text.get(), 3);
  for (unsigned i = 0; i < 3; ++i) {
    one.step(i);
    three.step(i);
  }
  EXPECT_EQ(one.state.weights, three.state.weights);
}

}  // namespace
}  // namespace rapport::retrieval
