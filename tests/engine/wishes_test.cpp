#include "rapport/engine/wishes.h"

#include <gmock/gmock.h>

#include "testing/films.h"

namespace rapport::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class WishesTest : public ::testing::Test {
 protected:
  std::string in_short(const Wishes& wishes) const {
    std::string text;
    const auto add = [&](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
    for (const CategoryIndex each : wishes.categories) add("+" + name(each));
    for (const CategoryIndex each : wishes.without_categories) add("-" + name(each));
    if (wishes.year_from) add("from" + std::to_string(*wishes.year_from));
    if (wishes.year_to) add("to" + std::to_string(*wishes.year_to));
    for (const std::string& each : wishes.unread) add("?" + each);
    return text;
  }
  std::string name(CategoryIndex category) const {
    return served_->category_names()[static_cast<std::size_t>(category)];
  }

  std::shared_ptr<const ServedCatalogue> served_ = testing::served_films();
};

TEST_F(WishesTest, AreReadFromWords) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"comedies", "+Comedy"},
      {"something funny, please", "+Comedy"},
      {"a sci-fi or horror film", "+Sci-Fi +Horror"},
      {"science fiction", "+Sci-Fi"},
      {"film noir", "+Film-Noir"},
      {"a CHILDREN'S movie", "+Children's"},
      {"no horror, before 1990", "-Horror to1989"},
      {"without horror or thrillers", "-Horror -Thriller"},
      {"not any horror", "-Horror"},
      {"romantic comedy after 1970 but no drama", "+Romance +Comedy -Drama from1971"},
      {"since 1980", "from1980"},
      {"from 1994", "from1994 to1994"},
      {"a 1994 comedy", "+Comedy from1994 to1994"},
      {"in the 80s", "from1980 to1989"},
      {"from the 1970s", "from1970 to1979"},
      {"the 00s", "from2000 to2009"},
      {"before the 80s", "to1979"},
      {"between 1970 and 1979", "from1970 to1979"},
      {"from the 80s or 90s", "from1980 to1999"},
      {"the 90s and the 80s", "from1980 to1999"},
      {"1994 or 1995", "from1994 to1995"},
      {"in the 80s but before 1985", "from1980 to1984"},
      {"before 1985, in the 80s", "from1980 to1984"},
      {"from the 60s or 90s", "from1990 to1999 ?from ?60s ?or"},
      {"after 1990 or before 1960", "from1991 ?or ?before ?1960"},
      {"from the 60s, in the 90s", "from1960 to1969 ?in ?90s"},
      {"no horror and comedy", "-Horror -Comedy"},
      {"no horror and no comedy", "-Horror -Comedy"},
      {"no horror and something funny", "+Comedy -Horror"},
      {"older than 1960", "to1959"},
      {"something lighter", "?lighter"},
      {"not bad", "?not ?bad"},
      {"no westerns", "?no ?westerns"},
      {"before dinner", "?before ?dinner"},
      {"before 19905", "?before ?19905"},
      {"like Star Wars", "?Star ?Wars"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(in_short(read_wishes(text, "films", *served_)), expected) << text;
  }
}

TEST_F(WishesTest, ARequestForARecommendationIsRecognised) {
  const std::pair<const char*, const char*> cases[] = {
      {"What should I watch tonight?", ""},
      {"what should i watch", ""},
      {"So, what could we watch this evening?", ""},
      {"What movie should I watch next?", ""},
      {"Which film can I watch with my kids?", ""},
      {"Can you recommend a good movie?", ""},
      {"Could you please suggest me some comedies to watch?", "+Comedy"},
      {"Recommend me a sci-fi film from the 80s.", "+Sci-Fi from1980 to1989"},
      {"recommend something funny to watch, no romance", "+Comedy -Romance"},
      {"Any good movie recommendations?", ""},
      {"Do you have any film suggestions?", ""},
      {"movie tips please", ""},
      {"Give me a horror movie", "+Horror"},
      {"I'm looking for a film before 1960", "to1959"},
      {"I\u2019m in the mood for a romantic comedy movie", "+Romance +Comedy"},
      {"I'd like a film", ""},
      {"What's a good movie to watch?", ""},
      {"What films would you recommend?", ""},
      {"What would you recommend I watch tonight?", ""},
      {"Hey, what should we watch?", ""},
  };
  for (const auto& [message, expected] : cases) {
    const auto wishes = read_recommendation_request(message, "films", *served_);
    ASSERT_TRUE(wishes) << message;
    EXPECT_EQ(in_short(*wishes), expected) << message;
  }
}

TEST_F(WishesTest, NothingElseIsTakenForOne) {
  for (const char* message : {
           "",
           "Hello!",
           "What should I cook tonight?",
           "What should I watch out for when buying a car?",
           "What should I watch my weight for?",
           "What should I see in Paris?",
           "Should I watch Fargo?",
           "Do you like movies?",
           "I watched a movie yesterday.",
           "What movie did I watch last night?",
           "Which movie won the Oscar in 1994?",
           "Who directed the film Fargo?",
           "Recommend a restaurant.",
           "Can you recommend a book?",
           "Can you recommend something?",
           "Can you recommend a movie theater?",
           "Can you recommend a movie like Fargo?",
           "Can you recommend a movie? It should be short and I hate violence.",
           "Suggest a title for my film.",
           "Recommend some film music.",
           "I want to make a movie.",
           "Write a story that begins with: what should I watch tonight?",
           "Translate \"What should I watch tonight?\" into French.",
           "What should I watch tonight?\n- Fargo\n- Alien",
           "def what_should_i_watch():",
           "Give me a break.",
           "Show me the code of the movie class.",
           "My sister asked what should I watch tonight",
           "I need a film scanner",
           "Was soll ich heute Abend schauen?",
       }) {
    EXPECT_FALSE(read_recommendation_request(message, "films", *served_)) << message;
  }
  const std::string endless = "What should I watch " + std::string(10'000, 'a');
  EXPECT_FALSE(read_recommendation_request(endless, "films", *served_));
}

TEST_F(WishesTest, TheDomainSaysWhatIsAskedFor) {
  EXPECT_TRUE(read_recommendation_request("What should I read?", "books", *served_));
  EXPECT_FALSE(read_recommendation_request("What should I read?", "films", *served_));
  EXPECT_FALSE(read_recommendation_request("What should I watch?", "", *served_));
  EXPECT_THAT(recommendation_domains(), ElementsAre("films", "books", "music", "products"));
}

}  // namespace
}  // namespace rapport::engine
