#include "rapport/retrieval/training/item_text.h"

#include <gtest/gtest.h>

#include <random>

#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

const base::SystemClock kClock;

/// Titles of three words of few, so that many items read alike.
data::Dataset titled(int items) {
  std::mt19937 random(4);
  std::vector<std::string> titles;
  for (int i = 0; i < items; ++i) {
    titles.emplace_back();
    for (int word = 0; word < 3; ++word) titles.back() += "w" + std::to_string(random() % 30) + ' ';
  }
  return rapport::testing::titled_dataset({{0, 1, 2}}, titles);
}

std::vector<std::int32_t> others(const ItemText& text, std::int64_t item) {
  const auto row = text.kernel->row_indices(item);
  return {row.begin(), row.end()};
}

TEST(ItemText, KeepsOfEachItemTheOthersThatReadMostAlike) {
  const auto dataset = rapport::testing::titled_dataset(
      {{0, 1, 2}}, {"red hat", "red shoe", "green hat", "red hat", "blue sock"});
  const auto text =
      read_item_text(dataset, {.text = true, .neighbours = 2}, {.clock = kClock}).value();
  // "red hat" shares all with the other; "red" and "hat" are in three items each, so that what has
  // one of them is as like it as what has the other, and one of them is left out.
  EXPECT_EQ(others(*text, 0).size(), 2u);
  EXPECT_EQ(others(*text, 0).back(), 3);
  EXPECT_EQ(others(*text, 1), (std::vector<std::int32_t>{0, 3}));
  EXPECT_EQ(others(*text, 4), (std::vector<std::int32_t>{}));
}

TEST(ItemText, IsNoneWhereNoneIsAskedForAndRefusedWhereNothingIsLeft) {
  const data::Dataset dataset = titled(20);
  EXPECT_EQ(read_item_text(dataset, {}, {.clock = kClock}).value(), nullptr);
  const auto none = read_item_text(
      dataset, {.text = true, .features = {.min_df = 30, .max_df = 40}}, {.clock = kClock});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().param, "text");
}

TEST(ItemText, IsTheProductOfTheFeaturesWhateverTheThreads) {
  const data::Dataset dataset = titled(700);  // several parts
  const TextOptions options{.text = true, .neighbours = 1000};
  const auto one = read_item_text(dataset, options, {.clock = kClock, .threads = 1}).value();
  const auto three = read_item_text(dataset, options, {.clock = kClock, .threads = 3}).value();
  EXPECT_EQ(one->kernel->indices, three->kernel->indices);
  EXPECT_EQ(one->kernel->values, three->kernel->values);
  for (const std::int64_t item : {0, 300, 699}) {
    std::vector<double> products(700);
    const auto add = [&](std::int64_t row, std::vector<double>& into) {
      for (std::size_t k = 0; k < one->features.row_indices(row).size(); ++k)
        into[static_cast<std::size_t>(one->features.row_indices(row)[k])] +=
            static_cast<double>(one->features.row_values(row)[k]);
    };
    std::vector<double> own(static_cast<std::size_t>(one->tokens()));
    add(item, own);
    std::size_t at = 0;
    for (std::int64_t other = 0; other < 700; ++other) {
      std::vector<double> theirs(own.size());
      add(other, theirs);
      double product = 0;
      for (std::size_t t = 0; t < own.size(); ++t) product += own[t] * theirs[t];
      if (other == item || product == 0) continue;
      ASSERT_LT(at, one->kernel->row_indices(item).size());
      EXPECT_EQ(one->kernel->row_indices(item)[at], other);
      EXPECT_NEAR(one->kernel->row_values(item)[at++], 10 * product, 1e-5);
    }
    EXPECT_EQ(at, one->kernel->row_indices(item).size());
  }
}

TEST(ItemText, NeverKeepsMoreNeighboursThanAskedForHoweverManyReadTheSame) {
  const auto dataset = rapport::testing::titled_dataset({{0, 1, 2}}, [] {
    std::vector<std::string> titles(60, "gift card");
    titles.emplace_back("soap");
    return titles;
  }());
  const auto text =
      read_item_text(dataset, {.text = true, .neighbours = 7}, {.clock = kClock}).value();
  double sum = 0;
  for (std::int64_t item = 0; item < 60; ++item) {
    EXPECT_EQ(others(*text, item).size(), 7u);
    for (const std::int32_t other : others(*text, item)) sum += other;
  }
  EXPECT_GT(sum / (60 * 7), 10) << "not those that the data name first";
}

TEST(ItemText, TellsHowFarItIsAndCanBeStopped) {
  const data::Dataset dataset = titled(3000);
  std::vector<double> told;
  FitContext context{.clock = kClock, .threads = 1};
  context.on_progress = [&](const FitProgress& progress) {
    EXPECT_EQ(progress.stage, "text");
    EXPECT_EQ(progress.done, 0) << "the epochs are what takes long";
    told.push_back(progress.stage_done);
  };
  ASSERT_TRUE(read_item_text(dataset, {.text = true}, context));
  EXPECT_GT(told.size(), 5u);
  EXPECT_TRUE(std::ranges::is_sorted(told));
  EXPECT_EQ(told.back(), 1);

  std::stop_source stop;
  context.stop_token = stop.get_token();
  context.on_progress = [&](const FitProgress& progress) {
    if (progress.stage_done > 0.5) stop.request_stop();
  };
  const auto stopped = read_item_text(dataset, {.text = true}, context);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace rapport::retrieval
