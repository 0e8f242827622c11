#include "rapport/engine/wishes.h"

#include <gmock/gmock.h>

#include "rapport/engine/wish_text.h"
#include "wishes_fixture.h"

namespace rapport::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

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
      {"something lighter", "~lighter"},
      {"a bit more exciting, but not too scary", "~exciting ~less scary"},
      {"less dark, please", "~less dark"},
      {"less romance", "~less romance"},
      {"a dark comedy", "+Comedy ~dark"},
      {"no horror, romance or crime", "-Horror -Romance -Crime"},
      {"no horror films or thrillers", "-Horror -Thriller"},
      {"no horror or any crime", "-Horror -Crime"},
      {"no horror, comedies", "-Horror ?comedies"},
      {"no horror, something funny", "+Comedy -Horror"},
      {"anything but horror", "-Horror"},
      {"anything but horror or crime", "-Horror -Crime"},
      {"anything but no horror", "-Horror"},
      {"anything but that", "?anything"},
      {"something for my kids", "~family-friendly"},
      {"something like 1984", "?1984"},
      {"lighter shoes", "~lighter ?shoes"},
      {"not bad", "?not ?bad"},
      {"no westerns", "?no ?westerns"},
      {"before dinner", "?before ?dinner"},
      {"before 19905", "?before ?19905"},
      {"like Star Wars", "like Star Wars"},
      {"something like star wars, no horror", "-Horror like Star Wars"},
      {"similar to Fargo and Blade Runner", "like Fargo like Blade Runner"},
      {"like The Shining", "like The Shining"},
      {"something like clerks", "?clerks"},
      {"like Gone with the Wind", "?Gone ?Wind"},
      {"under $20", "?under ?20"},
      {"by OPI", "?by ?OPI"},
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
      {"Which film can I watch with my kids?", "~family-friendly"},
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
      {"Can you recommend a movie like Fargo?", "like Fargo"},
      {"I'm in the mood for a cheerful movie", "~cheerful"},
  };
  for (const auto& [message, expected] : cases) {
    const auto wishes = read_recommendation_request(message, "films", *served_);
    ASSERT_TRUE(wishes) << message;
    EXPECT_EQ(in_short(*wishes), expected) << message;
  }
}

TEST_F(WishesTest, InAShopBrandsAndPricesAreReadToo) {
  const auto shop = rapport::testing::served_shop();
  const std::pair<const char*, const char*> cases[] = {
      {"nail polish by OPI", "+Nail Polish by OPI"},
      {"OPI or Essie nail polish", "+Nail Polish by OPI by essie"},
      {"skin care from burts bees", "+Skin Care by Burt's Bees"},
      {"loreal paris", "by L'Oreal Paris"},
      {"makeup, no OPI or essie", "+Makeup not by OPI not by essie"},
      {"under $20", "$20 at most"},
      {"nail polish under 10", "+Nail Polish $10 at most"},
      {"less than 9.50", "$9.5 at most"},
      {"no more than 15 dollars", "$15 at most"},
      {"at least 10 euros", "$10 up"},
      {"between $5 and $10", "$5 up $10 at most"},
      {"between 10 and 20 dollars", "$10 up $20 at most"},
      {"over $10, under $30", "$10 up $30 at most"},
      {"not more than $20", "$20 at most"},
      {"under $.99", "$0.99 at most"},
      {"over 50", "?over ?50"},
      {"at least 3 lotions", "?at ?least ?3 ?lotions"},
      {"no OPI, essie or L'Oreal Paris", "not by OPI not by essie not by L'Oreal Paris"},
      {"something for the kids", "?kids"},
      {"something for €15", "$15 at most"},
      {"$20 or less", "$20 at most"},
      {"under 10, over 20", "$10 at most ?over ?20"},
      {"$20", "?20"},
      {"before 1990", "to1989"},
      {"something lighter", "?lighter"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(in_short(read_wishes(text, "products", *shop), *shop), expected) << text;
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
           "Can you recommend a movie like Gone with the Wind?",
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
