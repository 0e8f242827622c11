#include "rapport/palr/candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "palr_testing.h"
#include "rapport/retrieval/model_directory.h"
#include "testing/temporary_directory.h"

namespace rapport::palr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

Pool pool_of(std::vector<CandidateSource> sources, const std::vector<data::ItemIndex>& history,
             std::int64_t best) {
  return candidates(sources, {.history = history}, {.best = best}).value();
}

TEST(Candidates, AreTheBestOfTheRetrieverThatTheUserHasNotTaken) {
  const Pool pool = pool_of({counts("a", {1, 9, 5, 7, 3})}, {1}, 2);
  EXPECT_THAT(pool.items, UnorderedElementsAre(3, 2));
  const auto three = pool.find(3), two = pool.find(2);
  ASSERT_TRUE(three && two);
  EXPECT_EQ(pool.rank(*three, 0), 0);
  EXPECT_EQ(pool.rank(*two, 0), 1);
  EXPECT_GT(pool.score(*three, 0), pool.score(*two, 0));
  EXPECT_FALSE(pool.find(1));
}

TEST(Candidates, OfSeveralRetrieversAreTheUnionAndRanksBeyondTheBestAreOneNumber) {
  const Pool pool = pool_of({counts("a", {9, 8, 7, 1, 2}), counts("b", {1, 8, 2, 9, 3})}, {}, 2);
  EXPECT_THAT(pool.items, UnorderedElementsAre(0, 1, 3));
  const auto zero = *pool.find(0), one = *pool.find(1), three = *pool.find(3);
  EXPECT_EQ(pool.rank(zero, 0), 0);
  EXPECT_EQ(pool.rank(zero, 1), 3) << "best + 1";
  EXPECT_EQ(pool.rank(one, 0), 1);
  EXPECT_EQ(pool.rank(one, 1), 1);
  EXPECT_EQ(pool.rank(three, 0), 3);
  EXPECT_LT(pool.score(zero, 1), 0) << "a score of what it does not propose, too";
}

TEST(Candidates, AreScoredByAJudgeThatProposesNone) {
  std::vector<CandidateSource> sources = {counts("a", {9, 8, 7, 1, 2}),
                                          counts("judge", {1, 8, 2, 9, 3})};
  sources[1].proposes = false;
  const Pool pool = pool_of(sources, {}, 2);
  EXPECT_THAT(pool.items, UnorderedElementsAre(0, 1)) << "3 is its best, and nobody's candidate";
  const auto zero = *pool.find(0), one = *pool.find(1);
  EXPECT_EQ(pool.rank(one, 1), 1);
  EXPECT_EQ(pool.rank(zero, 1), 3);
  EXPECT_GT(pool.score(one, 1), pool.score(zero, 1));
  EXPECT_THAT(best_first(pool), ElementsAre(zero, one)) << "its ranks do not count here";
}

TEST(Candidates, OfARetrieverThatTellsNothingApartHaveNoScores) {
  const Pool pool = pool_of({counts("a", {4, 4, 4, 4})}, {0}, 2);
  EXPECT_EQ(pool.size(), 2u);
  EXPECT_THAT(pool.scores, ElementsAre(0, 0));
}

TEST(Candidates, AreAllThereAreWhereThereAreFewerThanAskedFor) {
  EXPECT_EQ(pool_of({counts("a", {1, 2, 3})}, {0}, 50).size(), 2u);
  EXPECT_EQ(pool_of({counts("a", {1, 2, 3})}, {0, 1, 2}, 50).size(), 0u);
}

TEST(Candidates, AmongEqualsAreNotThoseWithTheLowestNumbers) {
  const Pool pool = pool_of({counts("a", std::vector<float>(400, 1))}, {}, 40);
  ASSERT_EQ(pool.size(), 40u);
  EXPECT_GT(*std::ranges::max_element(pool.items), 300);
  EXPECT_FALSE(std::ranges::is_sorted(pool.items)) << "nor do they stand in their order";
}

RC_GTEST_PROP(Candidates, FollowTheItemsNotTheirScoresOrder, (std::vector<int> values)) {
  RC_PRE(values.size() > 1);
  std::vector<float> scores(values.begin(), values.end());
  for (float& score : scores) score = static_cast<float>(static_cast<int>(score) % 5);
  const std::int64_t best = *rc::gen::inRange<std::int64_t>(1, 10);
  const Pool pool = pool_of({counts("a", scores)}, {}, best);
  RC_ASSERT(pool.items.size() ==
            std::min<std::size_t>(scores.size(), static_cast<std::size_t>(best)));
  RC_ASSERT(std::ranges::is_sorted(pool.items, {}, tie_breaker));
  std::multiset<float> chosen;
  for (const data::ItemIndex item : pool.items)
    chosen.insert(scores[static_cast<std::size_t>(item)]);
  std::ranges::sort(scores, std::greater{});
  RC_ASSERT(chosen ==
            std::multiset<float>(scores.begin(),
                                 scores.begin() + static_cast<std::ptrdiff_t>(pool.size())));
}

TEST(HeldOutPools, HaveTheTargetsPlaceAndItsRankByEachRetrieverAlone) {
  const data::Dataset dataset = testing::made_up_dataset({{0, 1, 2, 3}, {4, 0, 1, 5}, {2, 3}}, 6);
  const std::vector<CandidateSource> sources = {counts("a", {1, 2, 3, 9, 5, 6}),
                                                counts("b", {9, 9, 9, 1, 9, 9})};
  retrieval::TrainingThreads threads(2);
  const std::vector<data::UserIndex> users = {0, 1, 2};
  const auto pools =
      held_out_pools(dataset, data::Split::kTest, users, sources, {.best = 1}, threads, {}).value();
  ASSERT_EQ(pools.size(), 2u) << "two interactions leave nothing to hold out";
  EXPECT_EQ(pools[0].target, 3);
  EXPECT_THAT(pools[0].alone, ElementsAre(0, 2));
  ASSERT_GE(pools[0].place, 0);
  EXPECT_EQ(pools[0].pool.items[static_cast<std::size_t>(pools[0].place)], 3);
  EXPECT_EQ(pools[1].target, 5);
  EXPECT_THAT(pools[1].alone, ElementsAre(1, 1)) << "a tie counts against the target";
}

class Failing final : public retrieval::Retriever {
 public:
  Failing() : Retriever(6) {}
  std::string_view kind() const override { return "failing"; }

 private:
  Result<void> do_score(std::span<const retrieval::Query>, std::span<float>) const override {
    return fail(ErrorCode::kInternal, "nothing is computed");
  }
  Json do_options() const override { return Json::object(); }
  void do_save(base::SafetensorsWriter&) const override {}
};

TEST(HeldOutPools, AreNotMadeOfScoresThatThereAreNot) {
  const data::Dataset dataset = testing::made_up_dataset({{0, 1, 2, 3}, {4, 0, 1, 5}}, 6);
  const std::vector<CandidateSource> sources = {{"failing", "", std::make_shared<Failing>()}};
  retrieval::TrainingThreads threads(2);
  const auto pools = held_out_pools(dataset, data::Split::kTest, everyone(dataset), sources,
                                    {.best = 1}, threads, {});
  ASSERT_FALSE(pools);
  EXPECT_EQ(pools.error().message, "nothing is computed");
}

TEST(HeldOutPools, AreTheSameForAnyNumberOfThreads) {
  const data::Dataset dataset = testing::random_dataset(70, 40, 3);
  const auto users = everyone(dataset);
  const std::vector<CandidateSource> sources = {trained("ease", dataset),
                                                trained("popularity", dataset)};
  const auto pools_with = [&](std::int64_t count) {
    retrieval::TrainingThreads threads(count);
    return held_out_pools(dataset, data::Split::kValidation, users, sources, {.best = 5}, threads,
                          {})
        .value();
  };
  const auto one = pools_with(1), three = pools_with(3);
  ASSERT_EQ(one.size(), three.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].pool.items, three[i].pool.items);
    EXPECT_EQ(one[i].pool.scores, three[i].pool.scores);
    EXPECT_EQ(one[i].pool.ranks, three[i].pool.ranks);
    EXPECT_EQ(one[i].place, three[i].place);
  }
}

class Sources : public ::testing::Test {
 protected:
  std::string save(const char* kind, const char* folder, const data::Dataset& dataset) {
    const base::SystemClock clock;
    const auto fit = retrieval::fit_retriever(kind, dataset, {}, {.clock = clock});
    EXPECT_TRUE(fit) << fit.error().message;
    const std::string directory = home_.file(folder);
    EXPECT_TRUE(retrieval::save_model(*fit, dataset, directory));
    return directory;
  }

  testing::TemporaryDirectory home_;
  data::Dataset dataset_ = testing::random_dataset(60, 30, 1);
};

TEST_F(Sources, AreNamedByTheirKindAndTwoOfAKindByTheirFolder) {
  const std::string popular = save("popularity", "popular", dataset_);
  const std::string loose = save("ease", "loose", dataset_);
  const auto two = load_sources({popular, loose}, dataset_).value();
  EXPECT_EQ(two[0].name, "popularity");
  EXPECT_EQ(two[1].name, "ease");
  EXPECT_NE(two[0].checksum, two[1].checksum);
  const auto judged = load_sources({loose}, dataset_, {popular}).value();
  EXPECT_EQ(judged[1].name, "popularity");
  EXPECT_TRUE(judged[0].proposes);
  EXPECT_FALSE(judged[1].proposes);

  const base::SystemClock clock;
  const auto fit =
      retrieval::fit_retriever("ease", dataset_, {{"lambda", "7"}}, {.clock = clock}).value();
  ASSERT_TRUE(retrieval::save_model(fit, dataset_, home_.file("strict")));
  const auto same_kind = load_sources({loose, home_.file("strict") + "/"}, dataset_).value();
  EXPECT_EQ(same_kind[0].name, "loose");
  EXPECT_EQ(same_kind[1].name, "strict");
}

TEST_F(Sources, AreRefusedWhereTheyCouldNotBeTrusted) {
  const std::string popular = save("popularity", "popular", dataset_);
  EXPECT_EQ(load_sources({}, dataset_).error().param, "models");
  EXPECT_THAT(load_sources({popular, popular}, dataset_).error().message,
              HasSubstr("name each once"));
  EXPECT_EQ(load_sources({home_.file("nowhere")}, dataset_).error().code, ErrorCode::kNotFound);
  const std::string elsewhere = save("popularity", "elsewhere", testing::random_dataset(50, 30, 2));
  const auto refused = load_sources({elsewhere}, dataset_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("other interactions"));
}

}  // namespace
}  // namespace rapport::palr
