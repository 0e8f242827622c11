#include "rapport/data/attributes.h"

#include <gtest/gtest.h>

#include <limits>

namespace rapport::data {
namespace {

TEST(AgeBand, IsTheSameForMovieLensCodesAndYears) {
  for (const double age : {1.0, 7.0, 17.0}) EXPECT_EQ(age_band(age), "under 18");
  for (const double age : {18.0, 24.0}) EXPECT_EQ(age_band(age), "18-24");
  EXPECT_EQ(age_band(25), "25-34");
  EXPECT_EQ(age_band(45), "45-49");
  EXPECT_EQ(age_band(55), "50-55");
  for (const double age : {56.0, 99.0}) EXPECT_EQ(age_band(age), "56+");
  for (const double age : {-1.0, 151.0, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_EQ(age_band(age), "") << age;
}

TEST(Occupation, IsMovieLensCodeInWords) {
  EXPECT_EQ(occupation(4), "college/grad student");
  EXPECT_EQ(occupation(20), "writer");
  for (const double code : {-1.0, 21.0, 4.5}) EXPECT_EQ(occupation(code), "") << code;
}

TEST(Region, IsTheFirstDigitOrLetterOfACode) {
  EXPECT_EQ(region("48067"), "4");
  EXPECT_EQ(region("02460"), "0");
  EXPECT_EQ(region("V3N4P"), "V");
  EXPECT_EQ(region("v3n"), "V");
  for (const char* none : {"", "?", "é"}) EXPECT_EQ(region(none), "") << none;
}

TEST(TitleYear, IsTheLastParenthesisOfFourDigits) {
  EXPECT_EQ(title_year("Toy Story (1995)"), 1995);
  EXPECT_EQ(title_year("Toy Story (1995) "), 1995);
  EXPECT_EQ(title_year("Birdcage, The (Cage aux folles) (1996)"), 1996);
  for (const char* none : {"", "1995", "Toy Story", "(1995) Toy Story", "Toy (95)", "Toy (19955)",
                           "Toy (1234)", "Toy (199x)", "Toy 1995)", "Toy (V)"})
    EXPECT_EQ(title_year(none), std::nullopt) << none;
}

}  // namespace
}  // namespace rapport::data
