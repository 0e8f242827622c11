// Laws of single steps.
#include "rapport/engine/recommend_steps.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "testing/films.h"

namespace rapport::engine {
namespace {

std::vector<data::ItemIndex> items_of(const std::vector<Candidate>& candidates) {
  std::vector<data::ItemIndex> items;
  for (const Candidate& each : candidates) items.push_back(each.item);
  return items;
}

// Some of the twelve films, in any order.
std::vector<data::ItemIndex> some_films() {
  std::vector<data::ItemIndex> films;
  const auto any =
      *rc::gen::container<std::vector<data::ItemIndex>>(rc::gen::inRange<data::ItemIndex>(0, 12));
  for (const data::ItemIndex film : any) {
    if (std::ranges::find(films, film) == films.end()) films.push_back(film);
  }
  return films;
}

// Any candidates, in the order of their fused scores.
std::vector<Candidate> some_candidates() {
  const auto items = some_films();
  std::vector<Candidate> candidates;
  for (const data::ItemIndex item : items) {
    const double score = *rc::gen::inRange(-50, 50);
    candidates.push_back({item, score, score});
  }
  std::ranges::stable_sort(candidates,
                           [](const auto& a, const auto& b) { return a.fused > b.fused; });
  return candidates;
}

RC_GTEST_PROP(Balance, ChoosesSomeOfTheCandidatesOnceEachAndKeepsTheFirst, ()) {
  static const auto served = testing::served_films();
  const auto candidates = some_candidates();
  const auto k = *rc::gen::inRange<std::int64_t>(1, 15);
  const double diversity = *rc::gen::inRange(0, 11) / 10.0;
  const auto chosen = items_of(balance(candidates, k, diversity, *served));
  const auto all = items_of(candidates);
  RC_ASSERT(chosen.size() == std::min<std::size_t>(all.size(), static_cast<std::size_t>(k)));
  const std::set<data::ItemIndex> distinct(chosen.begin(), chosen.end());
  RC_ASSERT(distinct.size() == chosen.size());
  for (const data::ItemIndex item : chosen) {
    RC_ASSERT(std::find(all.begin(), all.end(), item) != all.end());
  }
  if (diversity == 0) {
    RC_ASSERT(std::equal(chosen.begin(), chosen.end(), all.begin()));
  }
}

/// A model's scores that overflowed: the list is then in no good order, but it is one.
TEST(Balance, ChoosesAsManyOfScoresThatAreNoNumbers) {
  const auto served = testing::served_films();
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const std::vector<Candidate> candidates = {{0, 1, 1}, {1, kNone, kNone}, {2, kNone, kNone}};
  for (const double diversity : {0.0, 0.3, 1.0}) {
    const auto chosen = items_of(balance(candidates, 3, diversity, *served));
    EXPECT_EQ(std::set(chosen.begin(), chosen.end()), (std::set<data::ItemIndex>{0, 1, 2}));
  }
}

RC_GTEST_PROP(Retrieve, GivesTheBestOfWhatIsAllowed, ()) {
  static const auto served = testing::served_films();
  RecommendationRequest request;
  for (const data::ItemIndex film : some_films()) {
    request.filters.exclude.push_back(std::to_string(film + 1));
  }
  Taste taste;
  taste.sequence = some_films();
  taste.seen = taste.sequence;
  const auto allowed = Allowed::create(request, {}, taste, *served);
  RC_ASSERT(allowed.has_value());
  const RecommendOptions options{.candidates = 3};
  std::vector<LeftOut> left_out;
  auto candidates = retrieve(*served, served->model(), taste, *allowed, 1, options, left_out);
  RC_ASSERT(candidates.has_value());
  rank(*candidates, taste, *served, true, options);

  std::vector<float> scores(12);
  const retrieval::Query query{.history = taste.sequence};
  RC_ASSERT(served->model().score({&query, 1}, scores).has_value());
  std::vector<data::ItemIndex> expected;
  for (data::ItemIndex item = 0; item < 12; ++item) {
    if (allowed->refuses(item) == nullptr) expected.push_back(item);
  }
  std::ranges::stable_sort(expected, [&](data::ItemIndex a, data::ItemIndex b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  expected.resize(std::min<std::size_t>(3, expected.size()));
  RC_ASSERT(items_of(*candidates) == expected);
}

TEST(Verify, LetsNothingThroughThatIsNotAllowedWhoeverProposedIt) {
  const auto served = testing::served_films();
  RecommendationRequest request;
  request.filters.exclude = {"3"};
  const auto allowed = Allowed::create(request, {}, {}, *served);
  ASSERT_TRUE(allowed);
  std::vector<Candidate> candidates = {{.item = 0},  {.item = 2},  {.item = 0},
                                       {.item = 12}, {.item = -1}, {.item = 11}};
  std::vector<LeftOut> left_out;
  verify(candidates, *served, *allowed, left_out);
  EXPECT_EQ(items_of(candidates), (std::vector<data::ItemIndex>{0, 11}));
  ASSERT_EQ(left_out.size(), 4u);
  EXPECT_EQ(left_out[0].why, "the request excludes them");
  EXPECT_EQ(left_out[1].why, "it was proposed twice");
  EXPECT_EQ(left_out[2].why, "it is not in the catalogue");
}

}  // namespace
}  // namespace rapport::engine
