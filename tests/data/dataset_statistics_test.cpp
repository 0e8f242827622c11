#include "rapport/data/dataset_statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataset_fixture.h"

namespace rapport::data {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(DatasetStatistics, AreThoseCountedByHand) {
  const DatasetStatistics found = statistics(small_dataset());
  EXPECT_EQ(found.users, 3);
  EXPECT_EQ(found.items, 5);
  EXPECT_EQ(found.interactions, 9);
  EXPECT_DOUBLE_EQ(found.density, 9.0 / 15);
  EXPECT_EQ(found.items_per_user.minimum, 2);
  EXPECT_EQ(found.items_per_user.median, 3);
  EXPECT_EQ(found.items_per_user.mean, 3);
  EXPECT_EQ(found.items_per_user.maximum, 4);
  EXPECT_EQ(found.users_per_item.maximum, 2);
  EXPECT_EQ(found.users_per_item.minimum, 1);
  EXPECT_EQ(found.users_tested, 2);
  EXPECT_EQ(found.users_represented, 3);
  EXPECT_EQ(found.times, std::pair(std::int64_t{1}, std::int64_t{30}));
  EXPECT_EQ(found.items_with_title, 2);
  EXPECT_EQ(found.items_with_year, 2);
  EXPECT_THAT(found.categories,
              ElementsAre(Pair("Animation", 1), Pair("Comedy", 1), Pair("Drama", 1)));
  EXPECT_THAT(found.groups.at("gender"), ElementsAre(Pair("F", 1), Pair("unknown", 2)));
  EXPECT_THAT(found.groups.at("activity"),
              ElementsAre(Pair("high", 1), Pair("low", 1), Pair("medium", 1)));
  EXPECT_EQ(found.edges, 3);
}

TEST(TableLine, IsARowOfTable1) {
  EXPECT_EQ(table_line(small_dataset()),
            "small: 3 users, 5 items, 9 interactions (3.0 a user, 60.00% of all pairs)");
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(999611), "999,611");
  EXPECT_EQ(with_commas(-1000209), "-1,000,209");
}

}  // namespace
}  // namespace rapport::data
