#include "rapport/engine/wishes.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>

#include "testing/films.h"

namespace rapport::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class WishesTest : public ::testing::Test {
 protected:
  std::string in_short(const Wishes& wishes) const { return in_short(wishes, *served_); }
  static std::string in_short(const Wishes& wishes, const ServedCatalogue& served) {
    std::string text;
    const auto add = [&](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
    const auto brand = [&](BrandIndex each) {
      return served.brand_names()[static_cast<std::size_t>(each)];
    };
    const auto name = [&](CategoryIndex each) {
      return served.category_names()[static_cast<std::size_t>(each)];
    };
    for (const CategoryIndex each : wishes.categories) add("+" + name(each));
    for (const CategoryIndex each : wishes.without_categories) add("-" + name(each));
    for (const BrandIndex each : wishes.brands) add("by " + brand(each));
    for (const BrandIndex each : wishes.without_brands) add("not by " + brand(each));
    if (wishes.year_from) add("from" + std::to_string(*wishes.year_from));
    if (wishes.year_to) add("to" + std::to_string(*wishes.year_to));
    if (wishes.price_from) add(fmt::format("${:g} up", *wishes.price_from));
    if (wishes.price_to) add(fmt::format("${:g} at most", *wishes.price_to));
    for (const data::ItemIndex each : wishes.like)
      add("like " + std::string(served.catalogue().title(each)));
    for (const Mood& each : wishes.moods) add("~" + each.words);
    for (const std::string& each : wishes.unread) add("?" + each);
    return text;
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

class ConversationWishesTest : public WishesTest {
 protected:
  static constexpr const char* kList =
      "Here is what I would pick for you:\n\n"
      "1. Blade Runner (1982): Sci-Fi, Film-Noir. It shares Sci-Fi with Alien, which you liked.\n"
      "2. Airplane! (1980). It is number 2 of the 12 items of films.\n"
      "3. Casablanca (1942): Drama, Romance.";
  /// The user's messages with our lists between them.
  std::string read(const std::vector<std::string>& said, const std::string& list = kList) const {
    std::vector<language::ChatMessage> messages;
    for (const std::string& each : said) {
      if (!messages.empty()) messages.push_back(language::ChatMessage::text("assistant", list));
      messages.push_back(language::ChatMessage::text("user", each));
    }
    const auto found = read_conversation(messages, "films", *served_);
    if (!found) return "nothing";
    std::string text = in_short(found->wishes);
    for (const data::ItemIndex item : found->offered)
      text += " /" + std::string(served_->catalogue().id(item));
    return text;
  }
};

TEST_F(ConversationWishesTest, AFollowUpNarrowsOrReplacesWhatWasSaid) {
  const std::string ask = "What should I watch tonight?";
  EXPECT_EQ(read({ask}), "");
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{ask, "Something lighter"}, "~lighter /3 /4 /6"},
      {{ask, "No, something older please."}, "to1979 /3 /4 /6"},
      {{ask, "newer ones"}, "from1981 /3 /4 /6"},
      {{ask, "Anything else?"}, " /3 /4 /6"},
      {{ask, "I've seen those already"}, "nothing"},
      {{ask, "I've seen those"}, " /3 /4 /6"},
      {{ask, "How about a comedy from the 80s?"}, "+Comedy from1980 to1989 /3 /4 /6"},
      {{"Recommend a comedy movie", "no romance", "actually horror, before 1980"},
       "+Horror -Romance to1979 /3 /4 /6 /3 /4 /6"},
      {{"Recommend a movie with no horror", "okay, horror then"}, "+Horror /3 /4 /6"},
      {{"Recommend a comedy movie", "no comedy"}, "-Comedy /3 /4 /6"},
      {{ask, "something like Fargo"}, "like Fargo /3 /4 /6"},
      {{"Recommend a horror movie", ask}, ""},  // begins anew
  };
  for (const auto& [said, expected] : cases) EXPECT_EQ(read(said), expected) << said.back();
  EXPECT_EQ(read({ask, "something older"}, "Nothing in the catalogue films fits that."), "nothing")
      << "than what?";
}

TEST_F(ConversationWishesTest, AListThatIsNoneOfOursCostsNoTime) {
  std::string endless(1'000'000, ':');
  for (std::size_t i = 1; i < endless.size(); i += 2) endless[i] = ' ';
  endless = fmt::format("{}\n1. {}", kListOpening, endless);
  const auto start = std::chrono::steady_clock::now();
  read({"What should I watch tonight?", "something else"}, endless);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST_F(ConversationWishesTest, WhatIsNoFollowUpIsLeftToTheModel) {
  const std::string ask = "What should I watch tonight?";
  for (const char* message : {"Thanks!",
                              "Okay",
                              "Why the first one?",
                              "Who is in Blade Runner?",
                              "How about dinner?",
                              "I have a headache",
                              "Tell me more about Airplane!",
                              "no",
                              "lighter fluid?",
                              "No more, thanks",
                              "Maybe later, thanks",
                              "What else can you do?",
                              "Have you seen it?",
                              "What is the other one about?",
                              "How is it different?",
                              "Is it scary?",
                              "Is it a comedy?",
                              "Is this one sad?",
                              "Is it from 1996?",
                              "This is fun!",
                              "You are funny",
                              "cheaper ones"}) {
    EXPECT_EQ(read({ask, message}), "nothing") << message;
  }
  EXPECT_EQ(read({ask, "something lighter"}, "You could watch Fargo."), "nothing")
      << "what it follows is not ours";
  EXPECT_EQ(read({"something lighter"}), "nothing");
  EXPECT_EQ(read({"Hello", "something lighter"}), "nothing");
  std::vector<std::string> endless = {ask};
  for (int i = 0; i < 30; ++i) endless.emplace_back("something lighter");
  EXPECT_EQ(read(endless), "nothing");
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
