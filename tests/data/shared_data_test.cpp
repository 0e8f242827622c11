// Against the data that the published figures are of: Table 1 must come out to the digit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "rapport/data/prepare.h"
#include "source_files.h"
#include "testing/temporary_directory.h"

namespace rapport::data {
namespace {

Preparation prepare_files(Format format, const SourcePaths& paths) {
  auto source = read_source(format, paths, {});
  EXPECT_TRUE(source) << source.error().message;
  auto prepared = prepare(*source, {});
  EXPECT_TRUE(prepared) << prepared.error().message;
  return *std::move(prepared);
}

void expect_table_1(const Dataset& dataset, std::int64_t users, std::int64_t items,
                    std::int64_t interactions) {
  EXPECT_EQ(dataset.users(), users);
  EXPECT_EQ(dataset.items(), items);
  EXPECT_EQ(dataset.interactions(), interactions);
}

TEST(SharedData, AmazonBeautyHasTheFiguresOfTable1) {
  NEED_SHARED_FILE(sequences, "amazon-beauty/sequences.txt.gz");
  NEED_SHARED_FILE(items, "amazon-beauty/items.tsv.gz");
  const Preparation prepared =
      prepare_files(Format::kSequences, {.interactions = sequences, .items = items});
  expect_table_1(prepared.dataset, 22'363, 12'101, 198'502);
  std::int64_t titles = 0;
  for (ItemIndex item = 0; item < prepared.dataset.items(); ++item)
    titles += prepared.dataset.catalogue().title(item).empty() ? 0 : 1;
  EXPECT_EQ(titles, 12'094);
  const Item polish =
      prepared.dataset.catalogue().item(prepared.dataset.catalogue().find("1").value());
  EXPECT_EQ(polish.brand, "OPI");
  EXPECT_EQ(polish.price, 12);
  EXPECT_EQ(polish.sales_rank, 344'222);
  EXPECT_THAT(polish.categories,
              ::testing::ElementsAre("Beauty", "Makeup", "Nails", "Nail Polish"));
}

TEST(SharedData, MovieLens1MHasTheFiguresOfTable1AndOpensAsItWasSaved) {
  NEED_SHARED_FILE(sequences, "ml-1m/sequences.txt.gz");
  NEED_SHARED_FILE(items, "ml-1m/items.tsv");
  NEED_SHARED_FILE(users, "ml-1m/users.dat");
  NEED_SHARED_FILE(user_map, "ml-1m/users_map.txt");
  const Preparation prepared = prepare_files(
      Format::kSequences,
      {.interactions = sequences, .items = items, .users = users, .user_map = user_map});
  const Dataset& dataset = prepared.dataset;
  expect_table_1(dataset, 6'040, 3'416, 999'611);
  EXPECT_FALSE(prepared.notes.contains("users without a description"));
  EXPECT_FALSE(prepared.notes.contains("items without a description"));
  const UserIndex first = dataset.people().find("1").value();
  EXPECT_EQ(dataset.catalogue().id(dataset.history(first)[0]), "1");
  EXPECT_EQ(dataset.catalogue().id(dataset.history(first)[4]), "5");
  EXPECT_EQ(dataset.catalogue().item(dataset.catalogue().find("3").value()).year, 1994);

  const testing::TemporaryDirectory folder;
  ASSERT_TRUE(dataset.save(folder.file("ml-1m")));
  const auto opened = Dataset::open(folder.file("ml-1m"));
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->checksum(), dataset.checksum());
  for (UserIndex user = 0; user < dataset.users(); ++user)
    ASSERT_TRUE(std::ranges::equal(opened->history(user), dataset.history(user))) << user;
}

TEST(SharedData, TheCoreOfTheRawMovieLensRatingsIsTheOneOfTheSequences) {
  NEED_SHARED_FILE(ratings, "ml-1m/ratings_no_timestamp.dat.gz");
  NEED_SHARED_FILE(movies, "ml-1m/movies.dat");
  NEED_SHARED_FILE(users, "ml-1m/users.dat");
  const Preparation prepared =
      prepare_files(Format::kMovieLens, {.interactions = ratings, .items = movies, .users = users});
  EXPECT_EQ(prepared.interactions_read, 1'000'209);
  expect_table_1(prepared.dataset, 6'040, 3'416, 999'611);
  const Person person =
      prepared.dataset.people().person(prepared.dataset.people().find("1").value());
  EXPECT_EQ(person.age_band, "under 18");
  EXPECT_EQ(person.gender, "F");
  EXPECT_EQ(person.occupation, "K-12 student");
  EXPECT_EQ(person.region, "4");
}

TEST(SharedData, TheNumbersOfItemsDoNotFollowFirstAppearance) {
  NEED_SHARED_FILE(sequences, "amazon-beauty/sequences.txt.gz");
  const Preparation prepared = prepare_files(Format::kSequences, {.interactions = sequences});
  // In the file, an item with a higher number than all before it is the next new one. Between our
  // numbers and the file's there is no rank correlation (Spearman; sd 1/√n ≈ 0.009).
  const Catalogue& catalogue = prepared.dataset.catalogue();
  const auto n = static_cast<double>(catalogue.size());
  double squares = 0;
  for (ItemIndex item = 0; item < catalogue.size(); ++item) {
    const double difference = item + 1 - std::stod(std::string(catalogue.id(item)));
    squares += difference * difference;
  }
  EXPECT_NEAR(1 - 6 * squares / (n * (n * n - 1)), 0, 0.04);
}

}  // namespace
}  // namespace rapport::data
