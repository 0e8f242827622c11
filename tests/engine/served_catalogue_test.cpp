#include "rapport/engine/served_catalogue.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <limits>

#include "rapport/base/config.h"
#include "rapport/base/random.h"
#include "testing/made_up_data.h"

namespace rapport::engine {
namespace {

class UnknownItem : public ::testing::Test {
 protected:
  UnknownItem() {
    std::vector<data::Item> items;
    for (int i = 0; i < 3'000; ++i) {
      data::Item item;
      item.id = fmt::format("B{:09}", i * 7'919);
      const int length = 12 + i % 60;
      while (static_cast<int>(item.title.size()) < length) item.title += letter();
      ids_.push_back(item.id);
      titles_.push_back(item.title);
      items.push_back(std::move(item));
    }
    data::DatasetParts parts;
    parts.name = "things";
    parts.offsets = {0, 1};
    parts.sequence = {0};
    parts.catalogue = data::Catalogue::create(std::move(items)).value();
    data::Person person;
    person.id = "1";
    parts.people = data::People::create({person}).value();
    served_ = ServedCatalogue::create(
        std::make_shared<const data::Dataset>(data::Dataset::create(std::move(parts)).value()),
        nullptr);
  }

  char letter() { return static_cast<char>('a' + random_.next() % 6); }
  std::string told(const std::string& id) const {
    const auto found = served_->require(id, "item");
    return found ? "" : found.error().message;
  }
  // By the matrix of base::nearest.
  std::string expected(const std::string& id) const {
    std::string near = base::nearest(id, ids_);
    if (near.empty()) {
      const std::string title = base::nearest(id, titles_);
      if (title.empty()) return "GET /v1/catalogue/items";
      near = ids_[static_cast<std::size_t>(std::ranges::find(titles_, title) - titles_.begin())];
    }
    return fmt::format("did you mean \"{}\" (", near);
  }

  base::SplitMix64 random_{3};
  std::vector<std::string> ids_, titles_;
  std::shared_ptr<const ServedCatalogue> served_;
};

TEST_F(UnknownItem, IsToldWithTheNearestByIdOrElseByTitle) {
  int suggested = 0;
  for (std::size_t i = 0; i < 60; ++i) {
    std::string word = i % 3 == 0 ? ids_[i * 17] : titles_[i * 17];
    for (std::uint64_t edit = 0; edit <= i % 7; ++edit) {
      const auto at = static_cast<std::size_t>(random_.next() % word.size());
      switch (random_.next() % 3) {
        case 0: word[at] = letter(); break;
        case 1: word.erase(at, 1); break;
        default: word.insert(at, 1, letter());
      }
    }
    word.resize(std::min<std::size_t>(word.size(), 64));
    if (std::ranges::find(ids_, word) != ids_.end()) continue;
    EXPECT_NE(told(word).find(expected(word)), std::string::npos) << word << ": " << told(word);
    suggested += told(word).find("did you mean") != std::string::npos ? 1 : 0;
  }
  EXPECT_GT(suggested, 40);
  EXPECT_NE(told("z").find("GET /v1/catalogue/items"), std::string::npos);
  EXPECT_NE(told("").find("GET /v1/catalogue/items"), std::string::npos);
  EXPECT_NE(told(std::string(65, 'a')).find("GET /v1/catalogue/items"), std::string::npos);
}

// What one miss costs a server that serves many; told in multiples of the plain matrix, so that a
// slow machine or build changes nothing.
TEST_F(UnknownItem, CostsAFractionOfAMatrixForEachTitle) {
  std::string word;
  while (word.size() < 50) word += letter();
  const auto cost = [](const auto& work) {
    std::clock_t least = std::numeric_limits<std::clock_t>::max();
    for (int run = 0; run < 3; ++run) {
      const std::clock_t begin = std::clock();
      work();
      least = std::min(least, std::clock() - begin);
    }
    return least;
  };
  const std::clock_t matrix = cost([&] { base::nearest(word, titles_); });
  EXPECT_LT(cost([&] { told(word); }), matrix / 3);
}

TEST(ServedCatalogueTitles, AreFoundWholeOrByWhatPeopleCallThem) {
  const auto dataset = std::make_shared<const data::Dataset>(rapport::testing::titled_dataset(
      {{1, 1, 0}, {1, 3}}, {"Star Wars: Episode V - The Empire Strikes Back (1980)",
                            "Star Wars: Episode IV - A New Hope (1977)", "Shining, The (1980)",
                            "Se7en (Seven) (1995)", "Alien (1979)", "Alien: Resurrection (1997)"}));
  const auto served = ServedCatalogue::create(dataset, nullptr);
  const auto found = [&](std::string_view title) {
    const auto items = served->find_title(title);
    return std::vector<data::ItemIndex>(items.begin(), items.end());
  };
  using Items = std::vector<data::ItemIndex>;
  EXPECT_EQ(found("star wars"), (Items{1, 0})) << "the more popular one first";
  EXPECT_EQ(found("Star Wars: Episode V - The Empire Strikes Back (1980)"), Items{0});
  EXPECT_EQ(found("the shining"), Items{2});
  EXPECT_EQ(found("Se7en"), Items{3});
  EXPECT_EQ(found("Alien"), Items{4}) << "the whole title counts before a part of one";
  EXPECT_EQ(found("Episode IV"), Items{});
  EXPECT_EQ(found(""), Items{});
}

}  // namespace
}  // namespace rapport::engine
