#include "rapport/retrieval/gru_layer.h"

#include <gtest/gtest.h>

namespace rapport::retrieval {
namespace {

TEST(StepOrder, LaysPositionsByStepLongestSequenceFirst) {
  const std::vector<std::int64_t> offsets = {0, 1, 1, 4, 6};  // lengths 1, 0, 3, 2
  const StepOrder order(offsets);
  ASSERT_EQ(order.steps(), 3);
  EXPECT_EQ(order.rows(), 6);
  EXPECT_EQ(order.active(0), 3);
  EXPECT_EQ(order.active(1), 2);
  EXPECT_EQ(order.active(2), 1);
  EXPECT_EQ(order.positions(), (std::vector<std::int64_t>{1, 4, 0, 2, 5, 3}));
  EXPECT_EQ(order.newest(), (std::vector<std::int64_t>{2, -1, 5, 4}));
}

TEST(StepOrder, HasNoStepsWithoutPositions) {
  EXPECT_EQ(StepOrder(std::vector<std::int64_t>{0}).steps(), 0);
  EXPECT_EQ(StepOrder(std::vector<std::int64_t>{0, 0, 0}).rows(), 0);
}

}  // namespace
}  // namespace rapport::retrieval
