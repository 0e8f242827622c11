// What the tests of models of sequences share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "rapport/retrieval/retriever.h"
#include "rapport/retrieval/weight_layout.h"
#include "reference_model.h"
#include "testing/little_memory.h"

namespace rapport::retrieval {

/// Normal ones, of all of `layout`.
inline std::vector<float> random_weights(const WeightLayout& layout, unsigned seed,
                                         float deviation = 0.3f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> weights(static_cast<std::size_t>(layout.total));
  for (float& weight : weights) weight = normal(random);
  return weights;
}

/// Of fewer than `longest` items each, none too.
inline std::vector<std::vector<data::ItemIndex>> random_histories(std::size_t count,
                                                                  unsigned longest,
                                                                  std::int64_t items,
                                                                  unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::vector<data::ItemIndex>> histories(count);
  for (auto& history : histories) {
    history.resize(random() % longest);
    for (auto& item : history)
      item = static_cast<data::ItemIndex>(random() % static_cast<unsigned>(items));
  }
  return histories;
}

inline std::vector<float> scores_of(const Retriever& model,
                                    const std::vector<data::ItemIndex>& history) {
  std::vector<float> scores(static_cast<std::size_t>(model.items()));
  const Query query{.history = history};
  EXPECT_TRUE(model.score({&query, 1}, scores));
  return scores;
}

/// And zeros for who has no history.
inline void expect_the_same_in_any_company(
    const Retriever& model, const std::vector<std::vector<data::ItemIndex>>& histories) {
  const auto items = static_cast<std::size_t>(model.items());
  std::vector<Query> queries;
  for (const auto& history : histories) queries.push_back({.history = history});
  std::vector<float> together(queries.size() * items);
  ASSERT_TRUE(model.score(queries, together));
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::vector<float> alone = scores_of(model, histories[i]);
    const auto own = std::span(together).subspan(i * items, items);
    if (histories[i].empty()) {
      EXPECT_EQ(alone, std::vector<float>(items, 0.0f));
      EXPECT_TRUE(std::ranges::equal(own, alone)) << i;
    } else {
      EXPECT_LT(relative_error(own, alone), 1e-5) << i;
    }
  }
}

#if RAPPORT_LIMITS_MEMORY
/// For a death test: ends the process, with 0 when no more than `bytes` were needed.
[[noreturn]] inline void score_within(std::int64_t bytes, const Retriever& model,
                                      const std::vector<std::vector<data::ItemIndex>>& histories) {
  std::vector<Query> queries;
  for (const auto& history : histories) queries.push_back({.history = history});
  std::vector<float> scores(queries.size() * static_cast<std::size_t>(model.items()));
  rapport::testing::allow_no_more_memory_than(bytes);
  std::exit(model.score(queries, scores) ? 0 : 1);  // or std::bad_alloc ends it
}
#endif

template <typename Shape>
struct WrongSize {
  Shape shape;
  const char* param;
};
template <typename Shape>
void expect_refused(std::initializer_list<WrongSize<Shape>> cases) {
  for (const auto& [shape, param] : cases) {
    const auto checked = shape.check();
    ASSERT_FALSE(checked) << param;
    EXPECT_EQ(checked.error().param, param);
  }
}

/// `sizes` are all that a shape has.
template <typename Shape>
void expect_read_back_and_refused_when_wrong(const Shape& shape,
                                             std::initializer_list<const char*> sizes) {
  const Json json = shape.to_json();
  EXPECT_EQ(json.size(), sizes.size());
  const auto read = Shape::from_json(json);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, shape);
  for (const char* const size : sizes) {
    for (const Json& value : {Json("many"), Json(-1), Json()}) {
      Json changed = json;
      changed[size] = value;
      const auto refused = Shape::from_json(changed);
      ASSERT_FALSE(refused) << size << value;
      EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
      EXPECT_THAT(refused.error().message, ::testing::HasSubstr(size));
    }
  }
  EXPECT_FALSE(Shape::from_json(Json::array()));
}

}  // namespace rapport::retrieval
