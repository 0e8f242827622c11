#include "rapport/palr/written_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/made_up_data.h"

namespace rapport::palr {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReadList : public ::testing::Test {
 protected:
  const data::Dataset films_ = testing::titled_dataset(
      {{0, 1, 2}}, {"Matrix, The (1999)", "Alien (1979)", "12 Monkeys (1995)", "Heat (1995)"});
  const TitleIndex index_{films_.catalogue()};
  const std::vector<data::ItemIndex> history_ = {1};
};

TEST_F(ReadList, TakesOneNameALineWithoutItsBullet) {
  const WrittenList list =
      read_list("- The Matrix\n2. Heat (1995)\n  * 12 Monkeys\n", true, 10, index_, history_);
  EXPECT_THAT(list.names, ElementsAre("The Matrix", "Heat (1995)", "12 Monkeys"));
  EXPECT_THAT(list.items, ElementsAre(0, 3, 2));
  EXPECT_THAT(list.hallucinations, IsEmpty());
}

TEST_F(ReadList, TellsWhatIsMadeUpTakenAndRepeated) {
  const WrittenList list = read_list("Alien\nThe Colour of Nothing (2031)\nHeat\n\nHeat (1995)",
                                     true, 10, index_, history_);
  EXPECT_EQ(list.names.size(), 4u);
  EXPECT_THAT(list.hallucinations, ElementsAre("The Colour of Nothing (2031)"));
  EXPECT_EQ(list.taken, 1);
  EXPECT_THAT(list.items, ElementsAre(3));
}

TEST_F(ReadList, LeavesOutAHalfLineAndWhatIsTooMuch) {
  EXPECT_THAT(read_list("Heat\nThe Matr", false, 10, index_, history_).items, ElementsAre(3));
  EXPECT_THAT(read_list("Heat\nThe Matrix\n12 Monkeys", true, 2, index_, history_).items,
              ElementsAre(3, 0));
  EXPECT_THAT(read_list("", true, 2, index_, history_).names, IsEmpty());
  EXPECT_THAT(read_list("no newline", false, 2, index_, history_).names, IsEmpty());
}

}  // namespace
}  // namespace rapport::palr
