#include "rapport/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "dataset_fixture.h"
#include "rapport/base/files.h"
#include "testing/temporary_directory.h"

namespace rapport::data {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void expect_is_the_small_one(const Dataset& dataset) {
  EXPECT_EQ(dataset.name(), "small");
  EXPECT_EQ(dataset.source(), Json({{"format", "test"}}));
  EXPECT_EQ(dataset.users(), 3);
  EXPECT_EQ(dataset.items(), 5);
  EXPECT_EQ(dataset.interactions(), 9);
  EXPECT_THAT(dataset.history(0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(dataset.history(1), ElementsAre(3, 2, 4));
  EXPECT_THAT(dataset.history(2), ElementsAre(1, 0));
  EXPECT_THAT(dataset.times(1), ElementsAre(5, 6, 7));
  EXPECT_EQ(dataset.weight(1), 1);
  const Item toy = dataset.catalogue().item(0);
  EXPECT_EQ(toy.id, "a");
  EXPECT_EQ(toy.title, "Toy Story");
  EXPECT_THAT(toy.categories, ElementsAre("Animation", "Comedy"));
  EXPECT_EQ(toy.brand, "Pixar");
  EXPECT_EQ(toy.year, 1995);
  EXPECT_EQ(toy.price, 9.5);
  EXPECT_EQ(toy.sales_rank, 17);
  EXPECT_EQ(dataset.catalogue().title(1), "Amélie");
  EXPECT_EQ(dataset.catalogue().item(1).year, std::nullopt);
  EXPECT_EQ(dataset.catalogue().item(1).price, std::nullopt);
  EXPECT_THAT(dataset.catalogue().item(2).categories, ElementsAre("Drama"));
  EXPECT_EQ(dataset.catalogue().item(4).price, 0);
  EXPECT_EQ(dataset.people().person(0).gender, "F");
  EXPECT_EQ(dataset.people().person(1).occupation, "writer");
  EXPECT_EQ(dataset.people().person(1).region, "9");
  EXPECT_EQ(dataset.people().find("cid"), 2);
  ASSERT_EQ(dataset.graph().edges(0).size(), 2u);
  EXPECT_EQ(dataset.graph().entity(dataset.graph().edges(0)[0].entity), "Lasseter");
  EXPECT_FALSE(dataset.graph().edges(0)[1].from_item);
  EXPECT_THAT(dataset.graph().edges(1), IsEmpty());
}

TEST(Dataset, ComesBackFromDiskAsItWas) {
  const testing::TemporaryDirectory folder;
  const Dataset made = small_dataset();
  expect_is_the_small_one(made);
  const auto saved = made.save(folder.file("deep/small"));
  ASSERT_TRUE(saved) << saved.error().message;
  const auto opened = Dataset::open(folder.file("deep/small"));
  ASSERT_TRUE(opened) << opened.error().message;
  expect_is_the_small_one(*opened);
  EXPECT_EQ(opened->checksum(), made.checksum());
  EXPECT_EQ(opened->catalogue_checksum(), made.catalogue_checksum());
}

TEST(Dataset, TimesWeightsPeoplesAttributesAndGraphMayBeUnknown) {
  DatasetParts parts;
  parts.offsets = {0, 1};
  parts.sequence = {0};
  parts.catalogue = Catalogue::create({{.id = "a"}}).value();
  parts.people = People::create({{.id = "u"}}).value();
  const auto dataset = Dataset::create(std::move(parts));
  ASSERT_TRUE(dataset) << dataset.error().message;
  EXPECT_THAT(dataset->times(0), IsEmpty());
  EXPECT_EQ(dataset->weight(0), 1);
  EXPECT_EQ(dataset->people().person(0).gender, "");
  EXPECT_THAT(dataset->graph().edges(0), IsEmpty());
}

struct Misfit {
  const char* message;
  std::function<void(DatasetParts&)> spoil;
};

TEST(Dataset, RefusesPartsThatDoNotFitTogether) {
  const Misfit misfits[] = {
      {"is with item 5", [](auto& p) { p.sequence[3] = 5; }},
      {"is with item -1", [](auto& p) { p.sequence[3] = -1; }},
      {"fall at user 1",
       [](auto& p) {
         p.offsets = {0, 7, 4, 9};
       }},
      {"end at 8",
       [](auto& p) {
         p.offsets = {0, 4, 7, 8};
       }},
      {"begin with 0", [](auto& p) { p.offsets = {}; }},
      {"begin with 0",
       [](auto& p) {
         p.offsets = {1, 4, 7, 9};
       }},
      {"8 times for 9", [](auto& p) { p.times.pop_back(); }},
      {"times of user 2 go back", [](auto& p) { p.times.back() = 0; }},
      {"2 weights for 3 users",
       [](auto& p) {
         p.weights = {1, 1};
       }},
      {"weight of user 1",
       [](auto& p) {
         p.weights = {1, 0, 1};
       }},
      {"0 people for 3 users", [](auto& p) { p.people = People(); }},
      {"catalogue is empty", [](auto& p) { p.catalogue = Catalogue(), p.graph = {}; }},
      {"names item 2, but there are 1",
       [](auto& p) { p.catalogue = Catalogue::create({{.id = "a"}}).value(); }},
      {"no JSON object", [](auto& p) { p.source = 7; }},
      {"name of the data set is not UTF-8", [](auto& p) { p.name = "\xFF"; }},
  };
  for (const Misfit& misfit : misfits) {
    DatasetParts parts = small_parts();
    misfit.spoil(parts);
    const auto created = Dataset::create(std::move(parts));
    ASSERT_FALSE(created) << misfit.message;
    EXPECT_THAT(created.error().message, HasSubstr(misfit.message));
  }
}

TEST(Dataset, TheChecksumIsOfEverythingAndThatOfTheCatalogueOfItsIds) {
  const Dataset usual = small_dataset();
  DatasetParts parts = small_parts();
  parts.weights = {1, 2, 3};
  const Dataset weighted = Dataset::create(std::move(parts)).value();
  EXPECT_EQ(weighted.weight(2), 3);
  EXPECT_NE(weighted.checksum(), usual.checksum());
  EXPECT_EQ(weighted.catalogue_checksum(), usual.catalogue_checksum());

  parts = small_parts();
  parts.source["k"] = 5;
  EXPECT_NE(Dataset::create(std::move(parts))->checksum(), usual.checksum());

  parts = small_parts();
  parts.catalogue =
      Catalogue::create({{.id = "b"}, {.id = "a"}, {.id = "c"}, {.id = "d"}, {.id = "e"}}).value();
  EXPECT_NE(Dataset::create(std::move(parts))->catalogue_checksum(), usual.catalogue_checksum());
}

TEST(Dataset, MadeAgainOfItsOwnPartsIsTheSame) {
  const Dataset made = small_dataset();
  DatasetParts parts = small_parts();
  parts.catalogue = made.catalogue();
  parts.people = made.people();
  parts.graph = made.graph();
  EXPECT_EQ(Dataset::create(std::move(parts))->checksum(), made.checksum());
}

TEST(Dataset, SavingReplacesADataSetAndNothingElse) {
  const testing::TemporaryDirectory folder;
  const Dataset first = small_dataset();
  fs::create_directory(folder.path() / "set");
  ASSERT_TRUE(first.save(folder.file("set/"))) << "an empty folder is nothing";
  const Dataset opened = Dataset::open(folder.file("set")).value();
  DatasetParts parts = small_parts();
  parts.name = "second";
  ASSERT_TRUE(Dataset::create(std::move(parts))->save(folder.file("set")));
  EXPECT_EQ(Dataset::open(folder.file("set"))->name(), "second");
  expect_is_the_small_one(opened);  // still mapped

  fs::create_directory(folder.path() / "photos");
  ASSERT_TRUE(base::write_file_atomically(folder.file("photos/cat.jpg"), "meow"));
  for (const char* taken : {"photos", "photos/cat.jpg"}) {
    const auto refused = first.save(folder.file(taken));
    ASSERT_FALSE(refused) << taken;
    EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
    EXPECT_THAT(refused.error().message, HasSubstr(folder.file(taken)));
  }
  EXPECT_EQ(base::read_file(folder.file("photos/cat.jpg")), "meow");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 2) << "nothing is left over";
}

TEST(Dataset, WhatIsNoDataSetIsNotFoundWithTheRemedy) {
  const testing::TemporaryDirectory folder;
  for (const std::string& path : {folder.file("nowhere"), folder.path().string()}) {
    const auto opened = Dataset::open(path);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(opened.error().message, HasSubstr("rapport data prepare"));
  }
}

struct Damage {
  const char* file;
  const char* message;
  std::function<std::string(std::string)> spoil;
  ErrorCode code = ErrorCode::kCorrupt;
};

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(Dataset, DamageIsNoticedAndNamesTheFile) {
  const Damage damages[] = {
      {"columns.bin", "does not have its checksum", [](auto b) { return b[70] ^= 1, b; }},
      {"columns.bin", "ends beyond", [](auto b) { return b.substr(0, b.size() / 2); }},
      {"columns.bin", "ends beyond", [](auto) { return ""; }},
      {"dataset.json", "dataset.json: byte", [](auto b) { return b.substr(0, 100); }},
      {"dataset.json", "does not have its checksum",
       [](auto b) { return replaced(b, "\"small\"", "\"large\""); }},
      {"dataset.json", "its format is",
       [](auto b) { return replaced(b, "rapport-dataset", "other-dataset"); }},
      {"dataset.json", "version 2 of the format",
       [](auto b) { return replaced(b, "\"version\": 1", "\"version\": 2"); },
       ErrorCode::kUnsupported},
      {"dataset.json", "version is missing",
       [](auto b) { return replaced(b, "\"version\": 1", "\"version\": \"1\""); }},
      {"dataset.json", "name is missing",
       [](auto b) { return replaced(b, "\"name\": \"small\"", "\"name\": 5"); }},
  };
  for (const Damage& damage : damages) {
    const testing::TemporaryDirectory folder;
    ASSERT_TRUE(small_dataset().save(folder.file("set")));
    const std::string path = folder.file(std::string("set/") + damage.file);
    ASSERT_TRUE(base::write_file_atomically(path, damage.spoil(base::read_file(path).value())));
    const auto opened = Dataset::open(folder.file("set"));
    ASSERT_FALSE(opened) << damage.message;
    EXPECT_EQ(opened.error().code, damage.code) << damage.message;
    EXPECT_THAT(opened.error().message, HasSubstr(damage.message));
    EXPECT_THAT(opened.error().message, HasSubstr(path));
  }
}

TEST(Dataset, AColumnThatPointsOutsideIsRefusedThoughNoByteOfItIsChanged) {
  const char* spoilt[][2] = {{"\"offset\": 0", "\"offset\": 9223372036854775807"},
                             {"\"offset\": 0", "\"offset\": 32"},
                             {"\"offset\": 0", "\"offset\": -64"},
                             {"\"count\": 4", "\"count\": 9223372036854775807"},
                             {"\"count\": 4", "\"count\": 3"},
                             {"\"type\": \"int64\"", "\"type\": \"int128\""},
                             {"\"interactions.offsets\"", "\"interactions.offset\""}};
  for (const auto& [what, with] : spoilt) {
    const testing::TemporaryDirectory folder;
    ASSERT_TRUE(small_dataset().save(folder.file("set")));
    const std::string path = folder.file("set/dataset.json");
    ASSERT_TRUE(
        base::write_file_atomically(path, replaced(base::read_file(path).value(), what, with)));
    const auto opened = Dataset::open(folder.file("set"));
    ASSERT_FALSE(opened) << with;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt) << opened.error().message;
  }
}

}  // namespace
}  // namespace rapport::data
