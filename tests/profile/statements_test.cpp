#include "rapport/profile/statements.h"

#include <gtest/gtest.h>

#include <chrono>

namespace rapport::profile {
namespace {

constexpr StatementKind kSetting = StatementKind::kSetting;
constexpr StatementKind kFact = StatementKind::kFact;
constexpr StatementKind kRetraction = StatementKind::kRetraction;

struct Said {
  const char* message;
  StatementKind kind;
  const char* attribute;
  const char* value;
};

TEST(FindStatements, CatchesWhatAUserSaysOfThemselves) {
  const Said cases[] = {
      {"I'm vegetarian", kFact, "diet", "vegetarian"},
      {"I'm vegetarian, by the way", kFact, "diet", "vegetarian"},
      {"I\u2019m vegetarian, by the way.", kFact, "diet", "vegetarian"},
      {"By the way, I am a vegetarian.", kFact, "diet", "vegetarian"},
      {"i am strictly vegan since 2019", kFact, "diet", "vegan"},
      {"I'm vegan, what should I cook tonight?", kFact, "diet", "vegan"},
      {"I'm lactose intolerant", kFact, "diet", "lactose-free"},
      {"Soy vegetariana.", kFact, "diet", "vegetarian"},
      {"Ich bin Vegetarier", kFact, "diet", "vegetarian"},
      {"Je suis v\u00e9g\u00e9tarienne", kFact, "diet", "vegetarian"},
      {"I'm allergic to peanuts and shellfish", kFact, "allergy", "peanuts and shellfish"},
      {"I have a nut allergy", kFact, "allergy", "nut"},
      {"I don't eat pork", kFact, "avoids", "pork"},
      {"Just so you know, I hate olives", kFact, "dislikes", "olives"},
      {"I don't like horror films", kFact, "dislikes", "horror films"},
      {"I love to cook", kFact, "likes", "to cook"},
      {"I really like Studio Ghibli films because they are calm", kFact, "likes",
       "Studio Ghibli films"},
      {"I prefer aisle seats", kFact, "prefers", "aisle seats"},
      {"I live in New York", kFact, "lives in", "New York"},
      {"I've news. I just moved to Lyon!", kFact, "lives in", "Lyon"},
      {"I'm from Porto", kFact, "comes from", "Porto"},
      {"I'm a nurse and I work nights", kFact, "occupation", "nurse"},
      {"I work as a bus driver", kFact, "occupation", "bus driver"},
      {"I work for Acme", kFact, "works at", "Acme"},
      {"I'm 34 years old", kFact, "age", "34"},
      {"I speak Dutch", kFact, "speaks", "Dutch"},
      {"I'm learning the cello", kFact, "learns", "the cello"},
      {"I have two kids", kFact, "has", "kids"},
      {"Call me Sam", kSetting, "name", "Sam"},
      {"call me \"Sam\" please", kSetting, "name", "Sam"},
      {"Hi, my name is Ana Mar\u00eda", kSetting, "name", "Ana Mar\u00eda"},
      {"Ll\u00e1mame Sam", kSetting, "name", "Sam"},
      {"In Spanish please", kSetting, "language", "Spanish"},
      {"in Spanish, please", kSetting, "language", "Spanish"},
      {"Please answer in German from now on.", kSetting, "language", "German"},
      {"Can you answer in French?", kSetting, "language", "French"},
      {"Responde en espa\u00f1ol", kSetting, "language", "Spanish"},
      {"Antworte auf Deutsch", kSetting, "language", "German"},
      {"answer briefly", kSetting, "length", "brief"},
      {"Please keep it short", kSetting, "length", "brief"},
      {"Keep your answers concise.", kSetting, "length", "brief"},
      {"give me short answers", kSetting, "length", "brief"},
      {"Be more detailed", kSetting, "detail", "high"},
      {"be more formal", kSetting, "tone", "formal"},
      {"Use bullet points", kSetting, "format", "bullets"},
      {"don't use Markdown", kSetting, "format", "plain"},
      {"I'm not vegetarian any more", kRetraction, "diet", "vegetarian"},
      {"I'm no longer vegan", kRetraction, "diet", "vegan"},
      {"I used to be vegan, but I stopped", kRetraction, "diet", "vegan"},
      {"I stopped being vegetarian", kRetraction, "diet", "vegetarian"},
      {"As I said, I'm vegan", kFact, "diet", "vegan"},
      {"Note: I'm vegetarian", kFact, "diet", "vegetarian"},
      {"About me: I live in Oslo", kFact, "lives in", "Oslo"},
      {"My sister is vegetarian and I'm vegan", kFact, "diet", "vegan"},
      {"I'm vegan. My brother says, I should eat meat.", kFact, "diet", "vegan"},
      {"I no longer live in Paris", kRetraction, "lives in", "Paris"},
      {"Forget that I'm vegetarian", kRetraction, "diet", "vegetarian"},
      {"forget where I live", kRetraction, "lives in", ""},
  };
  for (const Said& c : cases) {
    const auto found = find_statements(c.message);
    ASSERT_EQ(found.size(), 1u) << c.message;
    EXPECT_EQ(found[0].kind, c.kind) << c.message;
    EXPECT_EQ(found[0].attribute, c.attribute) << c.message;
    EXPECT_EQ(found[0].value, c.value) << c.message;
  }
}

TEST(FindStatements, TakesNothingFromQuestionsSuppositionsAndOthersWords) {
  const char* const cases[] = {
      "",
      "What should I cook tonight?",
      "If I'm vegetarian, what should I eat?",
      "What if I'm vegetarian?",
      "Suppose I live in Rome.",
      "Am I vegetarian?",
      "I'm vegetarian?",
      "She said \"I'm vegetarian\" and left.",
      "My friend is vegetarian",
      "Translate: I'm vegetarian",
      "Translate this into French:\nI'm vegetarian. I live in Rome.",
      "Translate this into French:\n\n\"I live in Rome\"",
      "> I'm vegetarian\nwhat does he mean",
      "```\nI'm vegetarian\n```",
      "`call me Sam`",
      "I'm vegetarian curious",
      "I like it",
      "I love you",
      "I like how you said that",
      "I have a question",
      "I have a dog phobia question",
      "I'm tired",
      "I'm a bit lost",
      "call me later",
      "Call me a taxi",
      "How do you say dog in Spanish please?",
      "What's the capital of Spain in Spanish?",
      "I read a book in German",
      "Write a short poem",
      "Is it short?",
      "The dog loves cheese",
      "We live in a society",
      "My sister said, I'm vegetarian",
      "My sister wrote to me: I'm vegan. I live in Rome.",
      "Alice: I'm vegan\nBob: I live in Rome",
      "Translate to French\n\nI'm allergic to nuts. Call me Ana.",
      "Translate this into German:\nCall me Sam",
      "Fix the grammar\nI'm from Spain",
      "Can you proofread this? I'm a nurse and I live in Rome.",
      "Improve this:\nI'm vegan",
      "Summarize the following text.\nI live in Rome.",
      "// I live in Rome\nint main() {}",
      "# I live in Rome\nprint(1)",
      "Reply in German to this email: Dear Sir",
      "I don't eat much",
      "I don't drink and drive",
      "I can't eat right now",
      "I like the second option",
      "I prefer the first one",
      "I prefer option B",
      "I like the way you explain",
      "I love everything about it",
      "I hate to say it",
      "I'm learning a lot",
      "I moved to the next chapter",
      "I work at night",
      "I play with the idea",
      "Call me old-fashioned, but I write letters",
  };
  for (const char* message : cases) {
    const auto found = find_statements(message);
    EXPECT_TRUE(found.empty()) << message << " → "
                               << (found.empty() ? "" : found[0].attribute + "=" + found[0].value);
  }
}

TEST(FindStatements, KeepsTheOrderAndTheWordsOfSeveral) {
  const auto found = find_statements(
      "Hi, call me Sam. I'm vegan and I live in Oslo; answer briefly, in Spanish please.");
  ASSERT_EQ(found.size(), 5u);
  EXPECT_EQ(found[0], (Statement{kSetting, "name", "Sam", "call me Sam"}));
  EXPECT_EQ(found[1], (Statement{kFact, "diet", "vegan", "I'm vegan"}));
  EXPECT_EQ(found[2], (Statement{kFact, "lives in", "Oslo", "I live in Oslo"}));
  EXPECT_EQ(found[3], (Statement{kSetting, "length", "brief", "answer briefly"}));
  EXPECT_EQ(found[4], (Statement{kSetting, "language", "Spanish", "in Spanish please"}));
}

TEST(FindStatements, StopsAtItsBoundsOnLongAndBrokenText) {
  std::string many;
  for (int i = 0; i < 100; ++i) many += "I like thing" + std::to_string(i) + ". ";
  EXPECT_EQ(find_statements(many).size(), 16u);

  const std::string late = std::string(9000, 'x') + ". I'm vegan.";
  EXPECT_TRUE(find_statements(late).empty());

  // Nothing here is a statement; what matters is that it ends, and soon.
  for (const std::string& text :
       {std::string(8000, '"'), std::string(8000, '`'), std::string(8000, '\xff'),
        std::string(8000, ','), std::string(2000, 'i') + std::string(4000, '\''),
        std::string("I like \xe2\x80")}) {
    find_statements(text);
  }
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i)
    find_statements("I'm vegetarian, by the way. What should I cook tonight?");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

}  // namespace
}  // namespace rapport::profile
