#include "rapport/palr/title_index.h"

#include <gtest/gtest.h>

namespace rapport::palr {
namespace {

data::Catalogue catalogue(const std::vector<std::string>& titles) {
  std::vector<data::Item> items;
  for (std::size_t i = 0; i < titles.size(); ++i)
    items.push_back({.id = "i" + std::to_string(i), .title = titles[i]});
  return data::Catalogue::create(std::move(items)).value();
}

TEST(NormalTitle, ForgetsHowATitleIsWritten) {
  struct Case {
    const char *title, *normal;
  };
  for (const Case& c :
       {Case{"Matrix, The (1999)", "the matrix"}, Case{"  The   MATRIX ", "the matrix"},
        Case{"the matrix!", "the matrix"},
        Case{"Good, the Bad and the Ugly, The (1966)", "the good the bad and the ugly"},
        Case{"Amélie", "amélie"}, Case{"2001: A Space Odyssey", "2001 a space odyssey"},
        Case{"", ""}})
    EXPECT_EQ(normal_title(c.title), c.normal) << c.title;
}

TEST(TitleIndex, FindsWhatIsMeantAndNothingElse) {
  const TitleIndex index(catalogue({"Matrix, The (1999)", "Star Trek II: The Wrath of Khan (1982)",
                                    "Die Hard 2 (1990)", "Die Hard 3 (1995)", "", "Heat (1995)"}));
  struct Case {
    const char* name;
    std::int64_t item;  // -1: none
  };
  for (const Case& c :
       {Case{"The Matrix", 0}, Case{"matrix, the (1999)", 0}, Case{"The Matrixx", 0},
        Case{"Star Trek II - The Wrath of Kahn", 1}, Case{"Star Trek", -1}, Case{"Die Hard 2", 2},
        Case{"Die Hard 3", 3}, Case{"Die Hard 4", -1}, Case{"Heat", 5}, Case{"Heath Ledger", -1},
        Case{"", -1}, Case{"!!!", -1}, Case{"\xff\xfe", -1}}) {
    const auto match = index.find(c.name);
    EXPECT_EQ(match ? match->item : -1, c.item) << c.name;
  }
  EXPECT_EQ(index.find("heat")->similarity, 1);
  EXPECT_LT(index.find("The Matrixx")->similarity, 1);
  EXPECT_FALSE(index.find(std::string(1 << 20, 'x')));
}

TEST(TitleIndex, PicksOfTheSameTitlesAlwaysTheSameOne) {
  const TitleIndex index(catalogue({"Hamlet (1990)", "Hamlet (1996)", "Hamlet"}));
  const auto first = index.find("Hamlet");
  ASSERT_TRUE(first);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(index.find("hamlet")->item, first->item);
}

}  // namespace
}  // namespace rapport::palr
