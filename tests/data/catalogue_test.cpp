#include "rapport/data/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/data/people.h"

namespace rapport::data {
namespace {

using ::testing::HasSubstr;

TEST(Catalogue, FindsEveryItemByItsIdAndNoOther) {
  std::vector<Item> items;
  for (int i = 0; i < 1000; ++i) items.push_back({.id = std::to_string(i * 7)});
  const Catalogue catalogue = Catalogue::create(items).value();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(catalogue.find(items[std::size_t(i)].id), i);
  for (const char* other : {"", "1", "7000", "07"})
    EXPECT_EQ(catalogue.find(other), std::nullopt) << other;
  EXPECT_EQ(Catalogue().size(), 0);
  EXPECT_EQ(Catalogue().find("0"), std::nullopt);
}

TEST(Catalogue, RefusesIdsThatAreEmptyTwiceThereOrNoText) {
  const auto refusal = [](std::vector<Item> items) {
    const auto created = Catalogue::create(std::move(items));
    EXPECT_FALSE(created);
    EXPECT_EQ(created.error().code, ErrorCode::kInvalidArgument);
    return created.error().message;
  };
  EXPECT_THAT(refusal({{.id = "a"}, {.id = ""}}), HasSubstr("item 1 has an empty id"));
  EXPECT_THAT(refusal({{.id = "a"}, {.id = "b"}, {.id = "a"}}), HasSubstr("the same id \"a\""));
  EXPECT_THAT(refusal({{.id = "\xC3"}}), HasSubstr("item 0 is not UTF-8"));
  EXPECT_THAT(refusal({{.id = "a", .title = "\xC3"}}), HasSubstr("title of item \"a\""));
  EXPECT_THAT(refusal({{.id = "a", .categories = {"x", "\xC3"}}}), HasSubstr("category of item"));
}

TEST(People, AreFoundByTheirIdsAndRefusedLikeItems) {
  const People people = People::create({{.id = "x"}, {.id = "y", .region = "0"}}).value();
  EXPECT_EQ(people.find("y"), 1);
  EXPECT_EQ(people.id(0), "x");
  EXPECT_EQ(people.person(1).region, "0");
  EXPECT_EQ(people.find("z"), std::nullopt);
  EXPECT_FALSE(People::create({{.id = "x"}, {.id = "x"}}));
  EXPECT_FALSE(People::create({{.id = "x", .gender = "\xFF"}}));
}

}  // namespace
}  // namespace rapport::data
