#include "rapport/palr/instructions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "palr_testing.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/palr/affinity.h"
#include "rapport/palr/palr_options.h"

namespace rapport::palr {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

data::Dataset dataset_of(const std::vector<std::vector<data::ItemIndex>>& histories, int items) {
  data::DatasetParts parts;
  parts.name = "small";
  parts.offsets = {0};
  std::vector<data::Item> named;
  for (int i = 0; i < items; ++i) named.push_back({.id = "item " + std::to_string(i)});
  std::vector<data::Person> people;
  for (const auto& history : histories) {
    parts.sequence.insert(parts.sequence.end(), history.begin(), history.end());
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
    people.push_back({.id = "user " + std::to_string(people.size())});
  }
  parts.catalogue = data::Catalogue::create(std::move(named)).value();
  parts.people = data::People::create(std::move(people)).value();
  return data::Dataset::create(std::move(parts)).value();
}

TEST(Affinity, IsTheChanceOfAWalkOfThreeSteps) {
  // Training parts: {0}, {0, 1, 2}, {0, 3}; 8 and 9 are held out.
  const data::Dataset dataset = dataset_of({{0, 8, 9}, {0, 1, 2, 8, 9}, {0, 3, 8, 9}}, 10);
  const Affinity affinity(dataset);
  const data::ItemIndex history[] = {0};
  // 3 by a third times a half; 1 and 2 by a third times a third each.
  const auto nearest = affinity.nearest(0, history, 10, {});
  ASSERT_EQ(nearest.size(), 3u);
  EXPECT_EQ(nearest[0], 3);
  EXPECT_THAT(affinity.nearest(0, history, 1, {}), ElementsAre(3));
  const data::ItemIndex excluded[] = {3, 1};
  EXPECT_THAT(affinity.nearest(0, history, 10, excluded), ElementsAre(2));
  const data::ItemIndex unknown[] = {7};
  EXPECT_THAT(affinity.nearest(-1, unknown, 10, {}), IsEmpty());
}

class Instructions : public ::testing::Test {
 protected:
  std::vector<Instruction> made(const InstructionOptions& options, std::int64_t seed = 1) {
    const auto result = instructions(shop_, sources_, options, seed);
    EXPECT_TRUE(result) << result.error().message;
    return *result;
  }

  const data::Dataset shop_ = brand_shop(300, 5, 7, 1);
  const std::vector<CandidateSource> sources_ = {trained("popularity", shop_)};
};

TEST_F(Instructions, WithCandidatesHaveTheValidationItemAmongThemAndAskForIt) {
  const auto all = made({.fraction = 0.5, .candidates = 12});
  EXPECT_EQ(all.size(), 150u);
  std::set<std::size_t> places;
  for (const Instruction& one : all) {
    const auto held_out = *data::held_out(shop_, one.user, data::Split::kValidation);
    EXPECT_THAT(one.answers, ElementsAre(held_out.target));
    EXPECT_EQ(one.candidates.size(), 12u);
    EXPECT_EQ(std::set(one.candidates.begin(), one.candidates.end()).size(), 12u);
    const auto place = std::ranges::find(one.candidates, held_out.target);
    ASSERT_NE(place, one.candidates.end());
    places.insert(static_cast<std::size_t>(place - one.candidates.begin()));
    for (const data::ItemIndex item : held_out.history)
      EXPECT_THAT(one.candidates, Not(Contains(item)));
    EXPECT_TRUE(std::ranges::equal(one.history, held_out.history));
  }
  EXPECT_EQ(places.size(), 12u) << "the answer's place says nothing";
}

TEST_F(Instructions, WithoutCandidatesAskForTheNewestItemsOfTheTrainingPart) {
  const auto all = made({.task = "recommend", .enrich_below = 0, .answers = 3, .swap = 0});
  EXPECT_EQ(all.size(), 60u);
  for (const Instruction& one : all) {
    const auto known = data::training_history(shop_, one.user);  // 5 of 7
    EXPECT_THAT(one.candidates, IsEmpty());
    EXPECT_TRUE(std::ranges::equal(one.history, known.first(2)));
    EXPECT_TRUE(std::ranges::equal(one.answers, known.subspan(2, 3)));
  }
}

TEST_F(Instructions, OfSeveralWindowsGoBackThroughTheHistory) {
  const auto all =
      made({.task = "recommend", .enrich_below = 0, .answers = 2, .windows = 9, .swap = 0});
  ASSERT_EQ(all.size(), 120u) << "two of a history of five";
  for (std::size_t i = 0; i < all.size(); i += 2) {
    const auto known = data::training_history(shop_, all[i].user);
    EXPECT_EQ(all[i + 1].user, all[i].user);
    EXPECT_TRUE(std::ranges::equal(all[i].answers, known.subspan(3, 2)));
    EXPECT_TRUE(std::ranges::equal(all[i + 1].answers, known.subspan(1, 2)));
    EXPECT_TRUE(std::ranges::equal(all[i + 1].history, known.first(1)));
  }
}

TEST_F(Instructions, SwapItemsBetweenHistoryAndAnswerWithoutLosingAny) {
  const InstructionOptions plain{.task = "recommend", .enrich_below = 0, .answers = 3, .swap = 0};
  InstructionOptions swapped = plain;
  swapped.swap = 0.5;
  const auto before = made(plain), after = made(swapped);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto items = [](const Instruction& one) {
      std::multiset<data::ItemIndex> all(one.history.begin(), one.history.end());
      all.insert(one.answers.begin(), one.answers.end());
      return all;
    };
    EXPECT_EQ(items(before[i]), items(after[i]));
    changed += before[i].history != after[i].history;
  }
  EXPECT_GT(changed, before.size() / 2);
}

TEST_F(Instructions, FillShortHistoriesUpButNeverWithTheAnswer) {
  for (const Instruction& one : made({.fraction = 1, .enrich_below = 9})) {
    EXPECT_EQ(one.history.size(), 9u);
    EXPECT_EQ(std::set(one.history.begin(), one.history.end()).size(), 9u);
    EXPECT_THAT(one.history, Not(Contains(one.answers[0])));
    const auto known = data::training_history(shop_, one.user);
    EXPECT_TRUE(std::ranges::equal(std::span(one.history).last(known.size()), known));
  }
  for (const Instruction& one : made({.fraction = 1, .history = 3, .enrich_below = 9}))
    EXPECT_EQ(one.history.size(), 3u);
}

/// What is held out for the test must change nothing: another test item, the same instructions.
TEST_F(Instructions, NeverReadATestItem) {
  const data::Dataset changed = with_others_held_out(shop_, 1);
  for (const char* const task : {"recommend", "recommend_retrieval"}) {
    const InstructionOptions options{.task = task, .enrich_below = 8};
    const auto one = made(options);
    const auto other = instructions(changed, sources_, options, 1).value();
    ASSERT_EQ(one.size(), other.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      EXPECT_EQ(one[i].history, other[i].history);
      EXPECT_EQ(one[i].candidates, other[i].candidates);
      EXPECT_EQ(one[i].answers, other[i].answers);
    }
  }
}

TEST_F(Instructions, FollowFromTheSeed) {
  const auto users = [](const std::vector<Instruction>& all) {
    std::vector<data::UserIndex> drawn;
    for (const Instruction& one : all) drawn.push_back(one.user);
    return drawn;
  };
  EXPECT_EQ(users(made({}, 1)), users(made({}, 1)));
  EXPECT_NE(users(made({}, 1)), users(made({}, 2)));
  EXPECT_EQ(made({}, 1)[3].candidates, made({}, 1)[3].candidates);
  PalrOptions ranker;
  EXPECT_EQ(users(made({}, 1)), draw(shop_, learning_lot(ranker, 1)).value().users)
      << "the users that the learned ranking learns from, so that the others are unseen by both";
}

TEST_F(Instructions, AreRefusedWithoutWhatTheyNeed) {
  EXPECT_THAT(instructions(shop_, sources_, {.task = "guess"}, 1).error().message,
              HasSubstr("expected recommend or recommend_retrieval"));
  EXPECT_THAT(instructions(shop_, {}, {}, 1).error().message, HasSubstr("needs a model"));
  EXPECT_TRUE(instructions(shop_, {}, {.task = "recommend"}, 1));
}

}  // namespace
}  // namespace rapport::palr
