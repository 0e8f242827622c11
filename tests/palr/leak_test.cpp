// No label may reach what a ranker reads. Held-out items are exchanged between users, and with that
// nothing changes that is made of the histories.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "palr_testing.h"
#include "rapport/palr/learning.h"
#include "rapport/palr/palr_options.h"
#include "rapport/palr/ranking_lists.h"

namespace rapport::palr {
namespace {

/// The data set with the last `held_out` items of each history moved on to the next user who has as
/// many, where none of them is in the history already.
data::Dataset exchanged(const data::Dataset& dataset, std::size_t held_out) {
  return with_histories(dataset, [&](data::UserIndex user) {
    const auto own = dataset.history(user);
    const auto other = dataset.history((user + 1) % static_cast<data::UserIndex>(dataset.users()));
    std::vector<data::ItemIndex> history(own.begin(), own.end());
    if (own.size() >= 3 && other.size() >= 3)
      std::copy(other.end() - static_cast<std::ptrdiff_t>(held_out), other.end(),
                history.end() - static_cast<std::ptrdiff_t>(held_out));
    return history;
  });
}

/// Every user's candidates and rows for `split`, with retrievers that are trained on the data set.
std::vector<std::pair<std::vector<data::ItemIndex>, std::vector<float>>> read_by_a_ranker(
    const data::Dataset& dataset, data::Split split) {
  retrieval::TrainingThreads threads(2);
  const std::vector<CandidateSource> sources = {trained("ease", dataset), trained("ridge", dataset),
                                                trained("popularity", dataset)};
  PalrOptions options;
  options.pool.best = 8;
  options.metadata = true;
  options.popularity_floor = 1;
  const FeatureSet features = palr_features(dataset, sources, options, {}, threads).value();
  const auto pools =
      held_out_pools(dataset, split, everyone(dataset), sources, options.pool, threads, {}).value();
  std::vector<std::pair<std::vector<data::ItemIndex>, std::vector<float>>> all;
  for (const HeldOutPool& each : pools) {
    auto& [items, rows] = all.emplace_back();
    items = each.pool.items;
    EXPECT_TRUE(
        features.rows({.user = each.user, .history = each.history, .pool = each.pool}, rows));
  }
  return all;
}

TEST(Leak, TestAndValidationItemsReachNothingThatIsLearnedFrom) {
  const data::Dataset dataset = brand_shop(80, 4, 8, 5);
  EXPECT_EQ(read_by_a_ranker(dataset, data::Split::kValidation),
            read_by_a_ranker(exchanged(dataset, 2), data::Split::kValidation));
}

TEST(Leak, TestItemsReachNothingThatIsRanked) {
  const data::Dataset dataset = brand_shop(80, 4, 8, 5);
  EXPECT_EQ(read_by_a_ranker(dataset, data::Split::kTest),
            read_by_a_ranker(exchanged(dataset, 1), data::Split::kTest));
}

TEST(Leak, WouldBeSeen) {
  // Against a comparison of nothing: what is known of the histories does change the features.
  const data::Dataset dataset = brand_shop(80, 4, 8, 5);
  EXPECT_NE(read_by_a_ranker(dataset, data::Split::kTest),
            read_by_a_ranker(exchanged(dataset, 2), data::Split::kTest));
}

TEST(Leak, AnItemsNumberSaysNothing) {
  // The same shop with its items numbered backwards: the same candidates get the same rows.
  const data::Dataset dataset = brand_shop(60, 4, 8, 6);
  const auto last = static_cast<data::ItemIndex>(dataset.items() - 1);
  data::DatasetParts parts;
  parts.name = dataset.name();
  std::vector<data::Item> items;
  for (data::ItemIndex i = 0; i <= last; ++i) items.push_back(dataset.catalogue().item(last - i));
  parts.catalogue = data::Catalogue::create(std::move(items)).value();
  parts.people = dataset.people();
  parts.offsets = {0};
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    for (const data::ItemIndex item : dataset.history(user)) parts.sequence.push_back(last - item);
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
  }
  const data::Dataset backwards = data::Dataset::create(std::move(parts)).value();
  retrieval::TrainingThreads threads(1);
  PalrOptions options;
  options.pool.best = 100;  // all there are: no tie decides who comes in
  const auto rows_of = [&](const data::Dataset& which, data::UserIndex user, bool turned) {
    const std::vector<CandidateSource> sources = {trained("popularity", which)};
    const FeatureSet features = palr_features(which, sources, options, {}, threads).value();
    const auto history = data::held_out(which, user, data::Split::kTest)->history;
    const Pool pool = candidates(sources, {.user = user, .history = history}, options.pool).value();
    std::vector<float> rows;
    EXPECT_TRUE(features.rows({.user = user, .history = history, .pool = pool}, rows));
    const std::size_t width = features.columns().size();
    const auto rank = std::ranges::find(features.columns(), "popularity_rank", &Feature::name);
    const auto ranked = static_cast<std::size_t>(rank - features.columns().begin());
    std::map<data::ItemIndex, std::vector<float>> of_item;
    for (std::size_t i = 0; i < pool.size(); ++i) {
      auto row = std::span(rows).subspan(i * width, width);
      // Among equals the rank is by lot, and the lot by the number's hash.
      row[ranked] = row[ranked + 1] = 0;
      of_item[turned ? last - pool.items[i] : pool.items[i]].assign(row.begin(), row.end());
    }
    return of_item;
  };
  for (const data::UserIndex user : {0, 7, 31}) {
    const auto forwards = rows_of(dataset, user, false), turned = rows_of(backwards, user, true);
    ASSERT_EQ(forwards.size(), turned.size());
    for (const auto& [item, row] : forwards) {
      const auto& other = turned.at(item);
      for (std::size_t c = 0; c < row.size(); ++c) EXPECT_NEAR(row[c], other[c], 1e-4f) << c;
    }
  }
}

}  // namespace
}  // namespace rapport::palr
