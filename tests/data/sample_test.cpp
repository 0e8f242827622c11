#include "rapport/data/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>

namespace rapport::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

TEST(Allocate, GivesEachItsShareAndTheFewTheirMinimum) {
  const std::vector<std::int64_t> sizes = {800, 150, 45, 5};
  EXPECT_THAT(allocate(sizes, 100, 1, 0), ElementsAre(80, 15, 4, 1));
  EXPECT_THAT(allocate(sizes, 100, 10, 0), ElementsAre(72, 13, 10, 5));
  EXPECT_THAT(allocate(sizes, 100, 1, 1), ElementsAre(32, 32, 31, 5)) << "equal, as far as it goes";
  EXPECT_THAT(allocate(sizes, 1000, 1, 0.5), ElementsAre(800, 150, 45, 5));
  EXPECT_THAT(allocate(sizes, 10, 30, 0), ElementsAre(30, 30, 30, 5)) << "the minima are more";
}

RC_GTEST_PROP(Allocate, KeepsItsBoundsAndItsTotal, ()) {
  const auto sizes = *rc::gen::nonEmpty(
      rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange<std::int64_t>(1, 5000)));
  const auto total = *rc::gen::inRange<std::int64_t>(1, sum(sizes) + 1);
  const auto minimum = *rc::gen::inRange<std::int64_t>(1, 100);
  const double balance = *rc::gen::inRange(0, 11) / 10.0;
  const auto counts = allocate(sizes, total, minimum, balance);
  std::int64_t minima = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    RC_ASSERT(counts[i] >= std::min(minimum, sizes[i]));
    RC_ASSERT(counts[i] <= sizes[i]);
    minima += std::min(minimum, sizes[i]);
    // Whoever is larger gets no less, but for the rounding.
    for (std::size_t j = 0; j < sizes.size(); ++j)
      if (sizes[i] > sizes[j]) RC_ASSERT(counts[i] >= counts[j] - 1);
  }
  RC_ASSERT(sum(counts) == std::max(total, minima));
}

/// 200 women with 3 items each, 40 men with 5, 10 of whom nothing is known with 8.
Dataset population() {
  DatasetParts parts;
  parts.offsets = {0};
  std::vector<Person> people;
  std::vector<Item> items;
  for (int i = 0; i < 8; ++i) items.push_back({.id = "i" + std::to_string(i)});
  for (int user = 0; user < 250; ++user) {
    const int length = user < 200 ? 3 : user < 240 ? 5 : 8;
    for (int i = 0; i < length; ++i) {
      parts.sequence.push_back(i);
      parts.times.push_back(user + i);
    }
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
    people.push_back({.id = std::to_string(user),
                      .gender = user < 200   ? "F"
                                : user < 240 ? "M"
                                             : ""});
  }
  parts.people = People::create(std::move(people)).value();
  parts.catalogue = Catalogue::create(std::move(items)).value();
  return Dataset::create(std::move(parts)).value();
}

TEST(Sample, WeightsAddUpToThePopulation) {
  const Dataset all = population();
  base::SeededRandom random(7);
  const Sample sampled = sample(all,
                                {.fraction = 0.2,
                                 .strata = {GroupBy::kGender, GroupBy::kActivity},
                                 .min_per_stratum = 12},
                                random)
                             .value();
  ASSERT_EQ(sampled.strata.size(), 3u);
  EXPECT_EQ(sampled.strata[0].name, "F, low");
  EXPECT_EQ(sampled.strata[1].name, "M, high");
  EXPECT_EQ(sampled.strata[2].name, "unknown, high");
  EXPECT_EQ(sampled.strata[2].sampled, 10) << "the few come in whole";
  EXPECT_EQ(sampled.strata[2].weight, 1);
  EXPECT_DOUBLE_EQ(sampled.strata[2].up_weighting, 5) << "a fifth of the sample, 4% of all";
  EXPECT_EQ(sampled.dataset.users(), 50);
  double represented = 0;
  double items = 0;
  for (UserIndex user = 0; user < sampled.dataset.users(); ++user) {
    const double weight = sampled.dataset.weight(user);
    represented += weight;
    items += weight * static_cast<double>(sampled.dataset.history(user).size());
  }
  EXPECT_NEAR(represented, 250, 1e-3);
  EXPECT_NEAR(items, static_cast<double>(all.interactions()), 1e-2)
      << "as long as strata are of one length, the estimate is exact";
}

TEST(Sample, TakesUsersAsTheyAreWithTheWholeCatalogue) {
  const Dataset all = population();
  base::SeededRandom random(7);
  const Sample sampled = sample(all, {.strata = {GroupBy::kGender}}, random).value();
  EXPECT_EQ(sampled.dataset.catalogue_checksum(), all.catalogue_checksum());
  for (UserIndex user = 0; user < sampled.dataset.users(); ++user) {
    const Person person = sampled.dataset.people().person(user);
    const UserIndex original = all.people().find(person.id).value();
    EXPECT_EQ(person.gender, all.people().person(original).gender);
    EXPECT_TRUE(std::ranges::equal(sampled.dataset.history(user), all.history(original)));
    EXPECT_TRUE(std::ranges::equal(sampled.dataset.times(user), all.times(original)));
  }
  EXPECT_EQ(sampled.dataset.source()["sample_of"]["checksum"], all.checksum());
}

TEST(Sample, TheSeedDecidesAndOfASampleWeightsMultiply) {
  const Dataset all = population();
  const auto draw = [&](std::uint64_t seed) {
    base::SeededRandom random(seed);
    return sample(all, {.fraction = 0.5}, random).value();
  };
  EXPECT_EQ(draw(1).dataset.checksum(), draw(1).dataset.checksum());
  EXPECT_NE(draw(1).dataset.checksum(), draw(2).dataset.checksum());
  base::SeededRandom random(3);
  const Dataset once = std::move(draw(1).dataset);
  EXPECT_EQ(sample(once, {.fraction = 0.4}, random)->dataset.weight(0), 5);
}

TEST(Sample, EveryUserIsAsLikelyAsTheNext) {
  const Dataset all = population();
  std::vector<int> drawn(250);
  base::SeededRandom random(11);
  constexpr int kDraws = 400;
  for (int draw = 0; draw < kDraws; ++draw) {
    const Sample sampled = sample(all, {.fraction = 0.2}, random).value();
    for (UserIndex user = 0; user < sampled.dataset.users(); ++user)
      ++drawn[static_cast<std::size_t>(std::stoi(std::string(sampled.dataset.people().id(user))))];
  }
  // Each is drawn 80 times on average, with a standard deviation of 8; five of them for 250 users.
  for (const int times : drawn) EXPECT_NEAR(times, 0.2 * kDraws, 40);
}

TEST(Sample, RefusesOptionsOutOfRange) {
  const Dataset all = population();
  base::SeededRandom random(1);
  for (const double fraction : {0.0, -1.0, 1.1})
    EXPECT_EQ(sample(all, {.fraction = fraction}, random).error().param, "fraction");
  EXPECT_EQ(sample(all, {.min_per_stratum = 0}, random).error().param, "min_per_stratum");
  EXPECT_EQ(sample(all, {.balance = 2}, random).error().param, "balance");
}

TEST(GroupBy, IsParsedFromNames) {
  EXPECT_THAT(parse_group_by("gender,activity").value(),
              ElementsAre(GroupBy::kGender, GroupBy::kActivity));
  for (const char* wrong : {"", "sex", "gender,", "gender,gender"}) {
    const auto parsed = parse_group_by(wrong);
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_THAT(parsed.error().message, HasSubstr("age, gender, occupation, region, activity"));
  }
}

}  // namespace
}  // namespace rapport::data
