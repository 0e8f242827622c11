#include "rapport/data/leave_one_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataset_fixture.h"

namespace rapport::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(LeaveOneOut, HoldsOutTheLastForTheTestAndTheOneBeforeForValidation) {
  const Dataset dataset = small_dataset();
  EXPECT_THAT(training_history(dataset, 0), ElementsAre(0, 1));
  const HeldOut validation = held_out(dataset, 0, Split::kValidation).value();
  EXPECT_THAT(validation.history, ElementsAre(0, 1));
  EXPECT_EQ(validation.target, 2);
  const HeldOut test = held_out(dataset, 0, Split::kTest).value();
  EXPECT_THAT(test.history, ElementsAre(0, 1, 2)) << "the validation item is part of the history";
  EXPECT_EQ(test.target, 3);
}

TEST(LeaveOneOut, ThreeItemsAreTheFewestThatCanBeSplit) {
  const Dataset dataset = small_dataset();
  EXPECT_THAT(training_history(dataset, 1), ElementsAre(3));
  EXPECT_EQ(held_out(dataset, 1, Split::kValidation)->target, 2);
  EXPECT_THAT(training_history(dataset, 2), IsEmpty());
  EXPECT_EQ(held_out(dataset, 2, Split::kValidation), std::nullopt);
  EXPECT_EQ(held_out(dataset, 2, Split::kTest), std::nullopt);
}

TEST(LeaveOneOut, SplitsHaveNames) {
  for (const Split split : {Split::kValidation, Split::kTest})
    EXPECT_EQ(parse_split(name(split)), split);
  EXPECT_EQ(parse_split("train").error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace rapport::data
