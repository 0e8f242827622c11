#include "rapport/evaluation/full_ranking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <set>

#include "testing/made_up_data.h"

namespace rapport::evaluation {
namespace {

using rapport::testing::hashed;
using rapport::testing::made_up_dataset;
using rapport::testing::random_dataset;
using rapport::testing::same_for_all;

using data::Split;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::int64_t> ranks(const FullRanking& ranking) {
  std::vector<std::int64_t> ranks;
  for (const RankedUser& user : ranking.users) ranks.push_back(user.rank);
  return ranks;
}

std::vector<data::UserIndex> users(const FullRanking& ranking) {
  std::vector<data::UserIndex> users;
  for (const RankedUser& user : ranking.users) users.push_back(user.user);
  return users;
}

FullRanking ranked(const data::Dataset& dataset, const Scorer& scorer,
                   const FullRankingOptions& options = {}) {
  auto ranking = rank_held_out(dataset, scorer, options);
  EXPECT_TRUE(ranking) << ranking.error().message;
  return ranking ? *std::move(ranking) : FullRanking{};
}

TEST(FullRanking, RanksTheHeldOutItemAmongThoseNotSeen) {
  // Scores fall with the item's number: unmasked, item i has rank i.
  const Scorer scorer = same_for_all({9, 8, 7, 6, 5, 4});
  const data::Dataset dataset = made_up_dataset({{0, 1, 2, 3}, {5, 4, 3}, {3, 0, 5}}, 6);
  EXPECT_THAT(ranks(ranked(dataset, scorer)), ElementsAre(0, 3, 3));
  // At validation the test item is not seen yet, so it competes.
  EXPECT_THAT(ranks(ranked(dataset, scorer, {.split = Split::kValidation})), ElementsAre(0, 4, 0));
}

TEST(FullRanking, TheScorerSeesTheHistoryAndNotTheHeldOutItem) {
  const data::Dataset dataset = made_up_dataset({{4, 2, 0, 1}}, 5);
  std::vector<data::ItemIndex> seen;
  const Scorer scorer = [&](std::span<const Query> queries,
                            std::span<float> scores) -> Result<void> {
    seen.assign(queries[0].history.begin(), queries[0].history.end());
    EXPECT_EQ(queries[0].user, 0);
    EXPECT_EQ(scores.size(), 5u);
    std::ranges::fill(scores, 0.0f);
    return {};
  };
  ranked(dataset, scorer, {.split = Split::kTest});
  EXPECT_THAT(seen, ElementsAre(4, 2, 0));
  ranked(dataset, scorer, {.split = Split::kValidation});
  EXPECT_THAT(seen, ElementsAre(4, 2));
}

TEST(FullRanking, NeverMasksTheHeldOutItemItself) {
  // Data that was not de-duplicated: item 1 was already there.
  const data::Dataset dataset = made_up_dataset({{1, 0, 1}}, 3);
  EXPECT_THAT(ranks(ranked(dataset, same_for_all({3, 2, 1}))), ElementsAre(0));
}

TEST(FullRanking, AModelThatTiesEverythingIsLastAmongTheUnseen) {
  const data::Dataset dataset = made_up_dataset({{0, 1, 2, 3}, {4, 5, 6}}, 10);
  // 10 items less three seen; 10 less two.
  EXPECT_THAT(ranks(ranked(dataset, same_for_all(std::vector<float>(10, 1)))), ElementsAre(6, 7));
}

TEST(FullRanking, AModelOfNaNIsLast) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const data::Dataset dataset = made_up_dataset({{0, 1, 2}}, 4);
  EXPECT_THAT(ranks(ranked(dataset, same_for_all({nan, nan, nan, nan}))), ElementsAre(3));
}

TEST(FullRanking, SkipsAndCountsUsersWithoutAHeldOutItem) {
  const data::Dataset dataset = made_up_dataset({{0, 1}, {0, 1, 2}, {}, {2, 1, 0}}, 3);
  const FullRanking ranking = ranked(dataset, same_for_all({1, 2, 3}));
  EXPECT_THAT(users(ranking), ElementsAre(1, 3));
  EXPECT_EQ(ranking.skipped, 2);
}

TEST(FullRanking, CarriesTheWeightsOfASample) {
  const data::Dataset dataset = made_up_dataset({{0, 1, 2}, {2, 1, 0}}, 3, {1.5f, 4});
  const FullRanking ranking = ranked(dataset, same_for_all({1, 2, 3}));
  EXPECT_EQ(ranking.users[0].weight, 1.5);
  EXPECT_EQ(ranking.users[1].weight, 4);
  EXPECT_EQ(ranking.metrics().weight(), 5.5);
}

// The protocol, word by word, for one user.
std::int64_t plain_rank(const Scorer& scorer, data::UserIndex user, const data::HeldOut& held_out,
                        std::int64_t items) {
  std::vector<float> scores(static_cast<std::size_t>(items));
  const Query query{.user = user, .history = held_out.history};
  EXPECT_TRUE(scorer(std::span(&query, 1), scores));
  const auto score = [&](data::ItemIndex item) { return scores[static_cast<std::size_t>(item)]; };
  const std::set<data::ItemIndex> seen(held_out.history.begin(), held_out.history.end());
  std::int64_t rank = 0;
  for (data::ItemIndex item = 0; item < items; ++item) {
    if (item == held_out.target || seen.contains(item)) continue;
    if (score(item) >= score(held_out.target)) ++rank;
  }
  return rank;
}

TEST(FullRanking, AgreesWithOneUserAtATimeWhateverTheThreadsAndBlocks) {
  constexpr std::int64_t kItems = 300;
  const data::Dataset dataset = random_dataset(200, kItems, 11);
  const Scorer scorer = hashed(kItems);
  std::vector<std::int64_t> expected;
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    if (const auto held_out = data::held_out(dataset, user, Split::kTest))
      expected.push_back(plain_rank(scorer, user, *held_out, kItems));
  }
  for (const std::int64_t threads : {1, 2, 5}) {
    for (const std::int64_t block_bytes : {1, 5'000, 1 << 20}) {
      const FullRanking ranking =
          ranked(dataset, scorer, {.threads = threads, .block_bytes = block_bytes});
      EXPECT_EQ(ranks(ranking), expected) << threads << " threads, " << block_bytes << " bytes";
    }
  }
}

TEST(FullRanking, BlocksHoldHistoriesOfLikeLengthTheLongestFirst) {
  const data::Dataset dataset = random_dataset(100, 100, 3);
  std::vector<std::size_t> lengths;
  const Scorer scorer = [&](std::span<const Query> queries,
                            std::span<float> scores) -> Result<void> {
    for (const Query& query : queries) lengths.push_back(query.history.size());
    std::ranges::fill(scores, 0.0f);
    return {};
  };
  const FullRanking ranking = ranked(dataset, scorer, {.threads = 1, .block_bytes = 4'000});
  EXPECT_EQ(lengths.size(), ranking.users.size());
  EXPECT_TRUE(std::ranges::is_sorted(lengths, std::greater{}));
}

TEST(FullRanking, DrawsTheSameSampleForTheSameSeed) {
  const data::Dataset dataset = random_dataset(300, 50, 5);
  const Scorer scorer = hashed(50);
  const FullRanking all = ranked(dataset, scorer);
  const FullRanking first = ranked(dataset, scorer, {.sample = 40, .seed = 1});
  EXPECT_EQ(first.users.size(), 40u);
  EXPECT_TRUE(std::ranges::is_sorted(users(first), std::less_equal{})) << "ascending, none twice";
  EXPECT_EQ(users(first), users(ranked(dataset, scorer, {.sample = 40, .seed = 1, .threads = 3})));
  EXPECT_NE(users(first), users(ranked(dataset, scorer, {.sample = 40, .seed = 2})));
  EXPECT_EQ(users(all), users(ranked(dataset, scorer, {.sample = 1'000'000})));
  for (const RankedUser& user : first.users) {
    const auto found = std::ranges::find(all.users, user.user, &RankedUser::user);
    ASSERT_NE(found, all.users.end());
    EXPECT_EQ(found->rank, user.rank) << "as among all";
  }
}

TEST(FullRanking, EachUserHasTheSameChanceToBeInASample) {
  const std::vector<std::vector<data::ItemIndex>> histories(10, {0, 1, 2});
  const data::Dataset dataset = made_up_dataset(histories, 3);
  const Scorer scorer = same_for_all({1, 2, 3});
  std::vector<int> drawn(10);
  constexpr int kSamples = 2'000;
  for (std::uint64_t seed = 0; seed < kSamples; ++seed) {
    const FullRanking sample = ranked(dataset, scorer, {.sample = 3, .seed = seed, .threads = 1});
    for (const data::UserIndex user : users(sample)) ++drawn[static_cast<std::size_t>(user)];
  }
  // Five standard deviations of a count with p = 0.3: 102.
  for (const int times : drawn) EXPECT_NEAR(times, kSamples * 3 / 10, 102);
}

TEST(FullRanking, ReportsHowFarItIs) {
  const data::Dataset dataset = random_dataset(150, 40, 9);
  std::vector<std::int64_t> reported;
  FullRankingOptions options{.threads = 3, .block_bytes = 1'000};
  const auto users = static_cast<std::int64_t>(ranked(dataset, hashed(40)).users.size());
  options.progress = [&](std::int64_t done, std::int64_t total) {
    reported.push_back(done);
    EXPECT_EQ(total, users);
  };
  ranked(dataset, hashed(40), options);
  EXPECT_TRUE(std::ranges::is_sorted(reported));
  EXPECT_EQ(reported.back(), users);
}

TEST(FullRanking, StopsAtTheScorersErrorAndReturnsIt) {
  const data::Dataset dataset = random_dataset(200, 40, 9);
  std::atomic<int> calls = 0;
  const Scorer scorer = [&](std::span<const Query>, std::span<float>) -> Result<void> {
    ++calls;
    return fail(ErrorCode::kInternal, "the model broke");
  };
  const auto failed = rank_held_out(dataset, scorer, {.threads = 2, .block_bytes = 1});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "the model broke");
  EXPECT_LE(calls, 2) << "one a thread";
}

TEST(FullRanking, RefusesWhatItCannotDo) {
  const Scorer scorer = same_for_all({1, 2, 3});
  const data::Dataset nobody = made_up_dataset({{0, 1}}, 3);
  const auto no_user = rank_held_out(nobody, scorer, {});
  ASSERT_FALSE(no_user);
  EXPECT_THAT(no_user.error().message, HasSubstr("\"made up\""));
  const data::Dataset dataset = made_up_dataset({{0, 1, 2}}, 3);
  FullRankingOptions negative_sample, negative_threads, no_block;
  negative_sample.sample = -1;
  negative_threads.threads = -1;
  no_block.block_bytes = 0;
  for (const FullRankingOptions& options : {negative_sample, negative_threads, no_block}) {
    const auto refused = rank_held_out(dataset, scorer, options);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace rapport::evaluation
