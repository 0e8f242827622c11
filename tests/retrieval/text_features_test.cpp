#include "rapport/retrieval/text_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace rapport::retrieval {
namespace {

using ::testing::ElementsAre;

data::Catalogue catalogue_of(std::vector<data::Item> items) {
  return data::Catalogue::create(std::move(items)).value();
}

/// What a row has, by value; columns are another matter.
std::vector<float> values_of(const SparseMatrix& features, std::int64_t row) {
  const auto values = features.row_values(row);
  std::vector<float> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  return sorted;
}

double product(const SparseMatrix& features, std::int64_t a, std::int64_t b) {
  double sum = 0;
  for (std::size_t i = 0; i < features.row_indices(a).size(); ++i) {
    for (std::size_t j = 0; j < features.row_indices(b).size(); ++j) {
      if (features.row_indices(a)[i] == features.row_indices(b)[j])
        sum += static_cast<double>(features.row_values(a)[i]) *
               static_cast<double>(features.row_values(b)[j]);
    }
  }
  return sum;
}

TEST(TextTokens, AreWordsAndNeighboursOfTheTitleBrandAndCategoriesEachOnce) {
  EXPECT_THAT(text_tokens({.id = "1",
                           .title = "Red  red NAIL",
                           .categories = {"Nail", "Hand & Foot"},
                           .brand = " Red "}),
              ElementsAre("\1nail", "\1red", "\2red nail", "\2red red", "\3red", "\4hand & foot",
                          "\4nail"));
  EXPECT_THAT(text_tokens({.id = "2"}), ElementsAre());
}

TEST(TextTokens, KnowNoCaseInAnyScript) {
  EXPECT_EQ(text_tokens({.id = "1", .title = "ÉCLAT Straße", .brand = "ЛОРЕАЛЬ"}),
            text_tokens({.id = "2", .title = "éclat STRASSE", .brand = "лореаль"}));
}

SparseMatrix features_of(const data::Catalogue& catalogue, const TextFeatureOptions& options = {}) {
  TrainingThreads threads(2);
  return text_features(catalogue, options, threads).value();
}

TEST(TextFeatures, AreRareTokensWithMoreWeightAndRowsOfLengthOne) {
  // Of four items: "red" is in 3, "nail" in 2, "red nail" in 2, the brand in 2, all else in 1.
  const SparseMatrix features =
      features_of(catalogue_of({{.id = "a", .title = "Red Nail"},
                                {.id = "b", .title = "red nail", .brand = "X"},
                                {.id = "c", .title = "Red", .brand = "x"},
                                {.id = "d", .title = "Soap"}}));
  ASSERT_EQ(features.rows(), 4);
  EXPECT_EQ(features.columns, 4) << "soap is in one item only";
  const double three = std::log(4.0 / 3), two = std::log(2.0);
  const double a = std::sqrt(three * three + 2 * two * two);
  const double c = std::sqrt(three * three + two * two);
  const auto is = [](double value) {
    return ::testing::FloatNear(static_cast<float>(value), 1e-6f);
  };
  EXPECT_THAT(values_of(features, 0), ElementsAre(is(three / a), is(two / a), is(two / a)));
  EXPECT_THAT(values_of(features, 2), ElementsAre(is(three / c), is(two / c)));
  EXPECT_THAT(values_of(features, 3), ElementsAre());
  EXPECT_NEAR(product(features, 0, 0), 1, 1e-6);
  EXPECT_NEAR(product(features, 0, 2), three * three / (a * c), 1e-6);
}

TEST(TextFeatures, KeepTokensBetweenTheBounds) {
  const data::Catalogue catalogue = catalogue_of({{.id = "a", .title = "one two three"},
                                                  {.id = "b", .title = "two three"},
                                                  {.id = "c", .title = "three"},
                                                  {.id = "d"}});
  // one 1, two 2, three 3, "one two" 1, "two three" 2
  EXPECT_EQ(features_of(catalogue, {.min_df = 1}).columns, 5);
  EXPECT_EQ(features_of(catalogue, {.min_df = 2}).columns, 3);
  EXPECT_EQ(features_of(catalogue, {.min_df = 2, .max_df = 2}).columns, 2);
  EXPECT_EQ(features_of(catalogue, {.min_df = 4}).columns, 0);
}

TEST(TextFeatures, LeaveOutWhatEveryItemHas) {
  EXPECT_EQ(
      features_of(catalogue_of({{.id = "a", .brand = "x"}, {.id = "b", .brand = "x"}})).columns, 0);
}

TEST(TextFeatures, DoNotDependOnTheOrderOfItems) {
  std::vector<data::Item> items = {{.id = "a", .title = "red nail", .categories = {"C"}},
                                   {.id = "b", .title = "red soap", .brand = "x"},
                                   {.id = "c", .title = "nail soap", .categories = {"c"}},
                                   {.id = "d", .brand = "X"}};
  const SparseMatrix forward = features_of(catalogue_of(items));
  std::ranges::reverse(items);
  const SparseMatrix backward = features_of(catalogue_of(items));
  ASSERT_GT(forward.indices.size(), 6u);
  for (std::int64_t i = 0; i < 4; ++i) {
    EXPECT_THAT(forward.row_indices(i), ::testing::ElementsAreArray(backward.row_indices(3 - i)));
    EXPECT_THAT(forward.row_values(i), ::testing::ElementsAreArray(backward.row_values(3 - i)));
  }
}

TEST(TextFeatures, TellHowFarTheyAreAndEndWhenTold) {
  const data::Catalogue catalogue = catalogue_of({{.id = "a", .title = "t"}, {.id = "b"}});
  TrainingThreads threads(2);
  std::vector<double> told;
  const auto count = [&](double done) -> Result<void> {
    told.push_back(done);
    return {};
  };
  ASSERT_TRUE(text_features(catalogue, {}, threads, count));
  EXPECT_GE(told.size(), 3u);
  EXPECT_TRUE(std::ranges::is_sorted(told));
  for (std::size_t last = 0; last < told.size(); ++last) {
    std::size_t calls = 0;
    const auto stop = [&](double) -> Result<void> {
      if (calls++ < last) return {};
      return fail(ErrorCode::kCancelled, "enough");
    };
    const auto stopped = text_features(catalogue, {}, threads, stop);
    ASSERT_FALSE(stopped) << last;
    EXPECT_EQ(calls, last + 1);
  }
}

TEST(HasText, IsWhetherAnyItemHasSome) {
  EXPECT_FALSE(has_text(catalogue_of({{.id = "a"}, {.id = "b", .year = 1999}})));
  EXPECT_TRUE(has_text(catalogue_of({{.id = "a"}, {.id = "b", .title = "t"}})));
  EXPECT_TRUE(has_text(catalogue_of({{.id = "a"}, {.id = "b", .brand = "t"}})));
  EXPECT_TRUE(has_text(catalogue_of({{.id = "a"}, {.id = "b", .categories = {"t"}}})));
}

}  // namespace
}  // namespace rapport::retrieval
