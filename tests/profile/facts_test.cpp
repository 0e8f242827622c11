#include "rapport/profile/facts.h"

#include <gtest/gtest.h>

namespace rapport::profile {
namespace {

using store::Fact;
using store::FactStatus;

class Facts : public ::testing::Test {
 protected:
  // Hears a message and keeps what comes of it, as the engine does.
  void hear(const std::string& message) {
    now_ += 1000;
    const StatementSource source{"u_sam", "turn_" + std::to_string(now_), ""};
    for (Fact& fact : reconcile(active(), find_statements(message), source, now_, random_)) {
      const auto old =
          std::find_if(all_.begin(), all_.end(), [&](const Fact& f) { return f.id == fact.id; });
      if (old == all_.end()) {
        all_.push_back(std::move(fact));
      } else {
        *old = std::move(fact);
      }
    }
  }
  std::vector<Fact> active() const {
    std::vector<Fact> result;
    for (const Fact& fact : all_) {
      if (fact.status == FactStatus::kActive) result.push_back(fact);
    }
    return result;
  }
  std::vector<std::string> known() const {
    std::vector<std::string> result;
    for (const Fact& fact : active()) result.push_back(fact.attribute + "=" + fact.value);
    return result;
  }

  base::SeededRandom random_{7};
  base::UnixMillis now_ = 1'700'000'000'000;
  std::vector<Fact> all_;
};

using Known = std::vector<std::string>;

TEST_F(Facts, AFactCarriesItsSourceAndWords) {
  hear("I'm vegetarian, by the way");
  ASSERT_EQ(all_.size(), 1u);
  EXPECT_EQ(all_[0].text, "I'm vegetarian");
  EXPECT_EQ(all_[0].evidence, "I'm vegetarian");
  EXPECT_EQ(all_[0].source, "statement");
  EXPECT_EQ(all_[0].source_turn, "turn_" + std::to_string(now_));
  EXPECT_EQ(all_[0].user, "u_sam");
  EXPECT_EQ(all_[0].valid_from, now_);
}

TEST_F(Facts, NothingIsStoredTwice) {
  hear("I'm vegetarian");
  hear("As I said, I AM VEGETARIAN!");
  EXPECT_EQ(all_.size(), 1u);
}

TEST_F(Facts, TheNewerOfTwoContradictingStatementsWinsAndTheOlderStaysInHistory) {
  hear("I live in Paris");
  hear("I moved to Lyon");
  EXPECT_EQ(known(), Known{"lives in=Lyon"});
  ASSERT_EQ(all_.size(), 2u);
  EXPECT_EQ(all_[0].status, FactStatus::kSuperseded);
  EXPECT_EQ(all_[0].superseded_by, all_[1].id);
  EXPECT_EQ(all_[0].valid_to, now_);
}

TEST_F(Facts, LikingTakesBackDislikingOfTheSameThingOnly) {
  hear("I hate olives");
  hear("I hate anchovies");
  hear("I like olives");
  EXPECT_EQ(known(), (Known{"dislikes=anchovies", "likes=olives"}));
}

TEST_F(Facts, ARetractionEndsWhatItNames) {
  hear("I'm vegan. I like tea.");
  hear("I'm no longer vegan");
  EXPECT_EQ(known(), Known{"likes=tea"});
  EXPECT_EQ(all_[0].superseded_by, "");
}

TEST_F(Facts, ContradictionsWithinOneMessageEndWithTheLastWord) {
  hear("I live in Paris. No wait, I live in Nice.");
  EXPECT_EQ(known(), Known{"lives in=Nice"});
}

TEST_F(Facts, SettingsAreNoFacts) {
  hear("Answer briefly. Call me Sam.");
  EXPECT_TRUE(all_.empty());
}

TEST_F(Facts, EnteredByHandIsFiledWhereARuleFitsAndKeptAsWrittenElsewhere) {
  const StatementSource by_hand{"u_sam", "", "cooking"};
  const auto filed = facts_from_text({}, "I'm vegetarian", by_hand, now_, random_);
  ASSERT_TRUE(filed) << filed.error().message;
  ASSERT_EQ(filed->size(), 1u);
  EXPECT_EQ((*filed)[0].attribute, "diet");
  EXPECT_EQ((*filed)[0].source, "user");
  EXPECT_EQ((*filed)[0].domain, "cooking");
  EXPECT_EQ((*filed)[0].confidence, 1.0);

  const auto free = facts_from_text(*filed, "  Sam's oven is broken ", by_hand, now_, random_);
  ASSERT_TRUE(free) << free.error().message;
  ASSERT_EQ(free->size(), 1u);
  EXPECT_EQ((*free)[0].text, "Sam's oven is broken");
  EXPECT_EQ((*free)[0].attribute, "");

  EXPECT_TRUE(facts_from_text(*free, "sam's oven IS broken", by_hand, now_, random_)->empty());
}

TEST_F(Facts, EnteredByHandRefusesWhatIsNoText) {
  const StatementSource by_hand{"u_sam", "", ""};
  for (const std::string& text :
       {std::string("  "), std::string(1001, 'x'), std::string("\xff\xfe")}) {
    const auto refused = facts_from_text({}, text, by_hand, now_, random_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(refused.error().param, "text");
  }
}

TEST_F(Facts, BecomeSentencesAboutTheUser) {
  struct Said {
    const char* message;
    const char* sentence;
  };
  for (const Said& c : {Said{"I'm vegetarian", "The user is vegetarian."},
                        Said{"I'm lactose intolerant", "The user's diet is lactose-free."},
                        Said{"I'm allergic to nuts", "The user is allergic to nuts."},
                        Said{"I live in Oslo", "The user lives in Oslo."},
                        Said{"I'm 34 years old", "The user is 34 years old."}}) {
    all_.clear();
    hear(c.message);
    ASSERT_EQ(all_.size(), 1u) << c.message;
    EXPECT_EQ(sentence(all_[0]), c.sentence);
  }
  store::Fact typed;
  typed.text = "My oven is broken";
  EXPECT_EQ(sentence(typed), "The user said: \"My oven is broken\"");
}

}  // namespace
}  // namespace rapport::profile
