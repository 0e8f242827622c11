#include "rapport/engine/conversation_wishes.h"

#include <chrono>

#include "wishes_fixture.h"

namespace rapport::engine {
namespace {

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

}  // namespace
}  // namespace rapport::engine
